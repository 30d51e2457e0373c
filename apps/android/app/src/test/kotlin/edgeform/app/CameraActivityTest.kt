package edgeform.app

import android.Manifest
import android.content.pm.PackageManager
import android.view.View
import android.widget.EditText
import edgeform.core.ClassifierException
import edgeform.core.Plane
import edgeform.core.Preprocessing
import edgeform.core.RgbImage
import edgeform.core.YuvImage
import java.io.File
import java.nio.ByteBuffer
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.Semaphore
import java.util.concurrent.TimeUnit
import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import org.robolectric.annotation.Config

/** In the place of a phone's camera: the frames that the Python side wrote, in turn. */
class CameraStandIn(private val frames: List<Frame>) : FrameSource {
    /** A frame and what the Python side makes of it, upright. */
    class Frame(val yuv: YuvImage, val upright: RgbImage)

    val permits = Semaphore(1) // one frame comes; more by release
    val asked = CopyOnWriteArrayList<Int>()
    var closes = 0
    var failure: CameraException? = null

    override fun degrees(display: Int): Int {
        asked += display
        return 90
    }

    override fun <T> newest(use: (YuvImage) -> T): T {
        check(permits.tryAcquire(30, TimeUnit.SECONDS)) { "the test let no frame through" }
        failure?.let { throw it }
        return use(frames[(asked.size - 1) % frames.size].yuv)
    }

    override fun close() {
        closes++
    }
}

/** Those that stand upright when they are turned by 90 degrees. */
private fun framesOfPython(): List<CameraStandIn.Frame> {
    val cases = JSONArray(File(GOLDEN, "frames.json").readText())
    return List(cases.length(), cases::getJSONObject).filter { it.getInt("degrees") == 90 }.map { case ->
        fun plane(name: String) = case.getJSONObject(name).let {
            Plane(
                ByteBuffer.wrap(File(GOLDEN, it.getString("path")).readBytes()),
                it.getInt("row_stride"),
                it.getInt("pixel_stride"),
            )
        }
        CameraStandIn.Frame(
            YuvImage(case.getInt("width"), case.getInt("height"), plane("y"), plane("u"), plane("v")),
            image(case.getJSONObject("upright")),
        )
    }
}

private fun image(case: JSONObject) =
    RgbImage(case.getInt("width"), case.getInt("height"), File(GOLDEN, case.getString("path")).readBytes())

class CameraActivityTest : ScreenTest() {
    private val frames = framesOfPython()
    private val camera = CameraStandIn(frames)

    @Before
    fun openTheStandIn() {
        app.standInCamera = camera
    }

    private fun allow() = shadowOf(app).grantPermissions(Manifest.permission.CAMERA)

    private fun opened(): ActivityController<CameraActivity> {
        app.push("digits")
        return Robolectric.buildActivity(CameraActivity::class.java).setup()
    }

    private fun running() = app.camera.state as? CameraState.Running

    private fun end(activity: CameraActivity) {
        activity.press(R.id.stop)
        camera.permits.release()
        await("the end") { !app.camera.running }
    }

    @Test
    fun `frames become the model's input as the Python side's do`() {
        allow()
        camera.permits.drainPermits()
        val activity = opened().get()
        activity.press(R.id.start)
        for (count in frames.indices) {
            camera.permits.release()
            await("frame $count") { app.standIn.inputs.size == count + 1 && running() != null }
        }
        val preprocessing = Preprocessing(app.store.open("digits").manifest.input)
        for ((frame, input) in frames.zip(app.standIn.inputs)) {
            val buffer = preprocessing.allocate().also { preprocessing.prepare(frame.upright, it) }
            assertEquals(bytesOf(FloatArray(buffer.capacity(), buffer::get)), bytesOf(input))
        }
        assertEquals(listOf(0), camera.asked.distinct())
        await("the picture") { running()?.image?.bytes.contentEquals(frames.last().upright.bytes) }
        assertEquals(5, activity.rows(R.id.predictions).size)
        assertEquals("9", texts(activity.rows(R.id.predictions)[0])[0]) // the stand-in's largest logit
        assertTrue(Regex("[0-9.]+ ms a frame: convert .*execute.*").matches(activity.text(R.id.status)))
        end(activity)
        assertEquals(listOf(1, 1, 1), listOf(app.standIn.loads, app.standIn.closes, camera.closes))
        assertEquals(activity.getString(R.string.camera_hint), activity.text(R.id.status))
    }

    @Test
    fun `a denied permission is a clear message, and no camera is opened`() {
        val activity = opened().get()
        activity.press(R.id.start)
        val asked = shadowOf(activity).lastRequestedPermission
        assertEquals(listOf(Manifest.permission.CAMERA), asked.requestedPermissions.toList())
        for (answer in listOf(PackageManager.PERMISSION_DENIED, PackageManager.PERMISSION_GRANTED)) {
            activity.onRequestPermissionsResult(asked.requestCode, asked.requestedPermissions, intArrayOf(answer))
            if (answer == PackageManager.PERMISSION_GRANTED) break
            await("the message") { app.camera.state is CameraState.Failed && !app.camera.running }
            assertTrue("may not use the camera" in activity.text(R.id.status))
            assertTrue("settings" in activity.text(R.id.status))
            assertEquals(0, app.standIn.loads)
        }
        await("a frame") { running() != null }
        end(activity)
    }

    @Test
    fun `the rate is kept, and is a whole number`() {
        allow()
        val activity = opened().get()
        for (wrong in listOf("", "0", "31")) {
            activity.findViewById<EditText>(R.id.rate).setText(wrong)
            activity.press(R.id.start)
            assertNotNull(activity.findViewById<EditText>(R.id.rate).error)
            assertFalse(app.camera.running)
        }
        var now = 0L
        val pace = Pace(rate = 10) { now }
        assertEquals(100, pace.next())
        now = 130_000_000 // 30 ms after the frame was due
        assertEquals(70, pace.next())
        now = 950_000_000 // seven frames were missed, and are not caught up
        assertEquals(0, pace.next())
        assertEquals(100, pace.next())
    }

    @Test
    fun `a turned phone goes on, with the display's rotation`() {
        allow()
        val controller = opened()
        controller.get().press(R.id.start)
        await("a frame") { running() != null }
        shadowOf(android.hardware.display.DisplayManager::class.java.let(app::getSystemService).getDisplay(0))
            .setRotation(android.view.Surface.ROTATION_90)
        controller.recreate()
        camera.permits.release()
        await("a turned frame") { camera.asked.last() == 90 }
        assertEquals(1, app.standIn.loads)
        assertTrue(controller.get().findViewById<View>(R.id.stop).isEnabled)
        end(controller.get())
    }

    @Test
    fun `leaving the screen frees the camera`() {
        allow()
        val controller = opened()
        controller.get().press(R.id.start)
        await("a frame") { running() != null }
        controller.pause().stop()
        camera.permits.release()
        await("the end") { !app.camera.running }
        assertEquals(1, camera.closes)
    }

    @Test
    fun `what the camera or the runtime refuses is shown, and the camera is free again`() {
        allow()
        val activity = opened().get()
        camera.failure = CameraException("The camera was taken.", "Close the other app.")
        activity.press(R.id.start)
        await("the message") { app.camera.state is CameraState.Failed && !app.camera.running }
        assertEquals("The camera was taken.\nClose the other app.", activity.text(R.id.status))
        camera.failure = null
        camera.permits.release()
        app.standIn.failure = ClassifierException("It does not run.", "Build it again.")
        activity.press(R.id.start)
        await("the message") { "does not run" in activity.text(R.id.status) && !app.camera.running }
        assertEquals(2, camera.closes)
    }

    @Test
    fun `light picture`() = pictured("camera_light")

    @Test
    @Config(qualifiers = "+night")
    fun `dark picture`() = pictured("camera_dark")

    private fun pictured(name: String) {
        allow()
        val activity = opened().get()
        activity.press(R.id.start)
        await("a frame") { running() != null }
        activity.store(name)
        end(activity)
    }
}
