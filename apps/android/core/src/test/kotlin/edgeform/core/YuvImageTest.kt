package edgeform.core

import java.nio.ByteBuffer
import org.json.JSONObject
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test

class YuvImageTest {
    private fun plane(case: JSONObject, name: String): Plane {
        val plane = case.getJSONObject(name)
        val bytes = ByteBuffer.wrap(Golden.bytes(plane.getString("path")))
        return Plane(bytes, plane.getInt("row_stride"), plane.getInt("pixel_stride"))
    }

    @Test
    fun `a frame becomes the input that Pillow and torch give, whatever its strides and rotation`() {
        val cases = Golden.list("frames.json")
        assertEquals(9, cases.size)
        for (case in cases) {
            val name = case.getString("name")
            val (y, u, v) = listOf("y", "u", "v").map { plane(case, it) }
            val frame = YuvImage(case.getInt("width"), case.getInt("height"), y, u, v)
            val upright = frame.toRgb().turned(case.getInt("degrees"))
            assertArrayEquals(Golden.image(case, "upright").bytes, upright.bytes, name)
            val input = Manifest.parse(case.getString("manifest")).input
            val preprocessing = Preprocessing(input)
            val buffer = preprocessing.allocate().also { preprocessing.prepare(upright, it) }
            val values = FloatArray(input.elements).also { buffer.get(it) }
            assertArrayEquals(Golden.bytes(case.getString("input")), writeFloats(values), name)
        }
    }

    @Test
    fun `only quarter turns`() {
        val image = RgbImage(1, 2, byteArrayOf(1, 2, 3, 4, 5, 6))
        assertArrayEquals(image.turned(90).bytes, image.turned(-270).bytes)
        assertThrows(IllegalArgumentException::class.java) { image.turned(45) }
    }
}
