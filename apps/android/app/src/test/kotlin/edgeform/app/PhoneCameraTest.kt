package edgeform.app

import android.graphics.ImageFormat
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraManager
import android.util.Size
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Shadows.shadowOf
import org.robolectric.shadows.ShadowCameraCharacteristics
import org.robolectric.shadows.StreamConfigurationMapBuilder

/** As far as the framework's own camera classes go without a camera: no frame comes here. */
class PhoneCameraTest : ScreenTest() {
    private fun add(id: String, facing: Int, orientation: Int, vararg sizes: Size) {
        val facts = ShadowCameraCharacteristics.newCameraCharacteristics()
        val map = StreamConfigurationMapBuilder.newBuilder()
        sizes.forEach { map.addOutputSize(ImageFormat.YUV_420_888, it) }
        shadowOf(facts).apply {
            set(CameraCharacteristics.LENS_FACING, facing)
            set(CameraCharacteristics.SENSOR_ORIENTATION, orientation)
            set(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP, map.build())
        }
        shadowOf(app.getSystemService(CameraManager::class.java)).addCamera(id, facts)
    }

    private fun refusal() = assertThrows(CameraException::class.java) { PhoneCamera(app) }

    @Test
    fun `the camera at the back is opened, whose frames a turned phone turns back`() {
        add("0", CameraCharacteristics.LENS_FACING_FRONT, 270, Size(640, 480))
        add("1", CameraCharacteristics.LENS_FACING_BACK, 90, Size(4000, 3000), Size(640, 480), Size(176, 144))
        PhoneCamera(app).use { camera ->
            assertEquals(listOf(90, 0, 270, 180), listOf(0, 90, 180, 270).map(camera::degrees))
            assertEquals(Size(640, 480), camera.size)
        }
    }

    @Test
    fun `one at the front turns the other way`() {
        add("0", CameraCharacteristics.LENS_FACING_FRONT, 270, Size(640, 480))
        PhoneCamera(app).use { camera ->
            assertEquals(listOf(270, 0, 90, 180), listOf(0, 90, 180, 270).map(camera::degrees))
        }
    }

    @Test
    fun `a phone without a camera, or one that gives no such frames, is told`() {
        assertTrue("has no camera" in refusal().what)
        add("0", CameraCharacteristics.LENS_FACING_BACK, 90)
        assertTrue("no YUV frames" in refusal().what)
    }
}
