package edgeform.app

import edgeform.core.ArtifactException
import java.io.File
import kotlin.math.abs
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class PhotoDecoderTest : ScreenTest() {
    private fun encoded(name: String) = File(GOLDEN, "photos/$name").readBytes()

    /** How far the decoded pixels are from Pillow's: the mean over all, in steps of 255. */
    private fun distance(name: String): Double {
        val image = decodePhoto(encoded(name))
        val expected = encoded("$name.rgb")
        assertEquals(expected.size, image.bytes.size)
        return expected.indices.sumOf {
            abs((expected[it].toInt() and 0xff) - (image.bytes[it].toInt() and 0xff))
        }.toDouble() / expected.size
    }

    @Test
    fun `lossless images are Pillow's to the byte, grey and transparent ones too`() {
        for (name in listOf("colour.png", "grey.png", "transparent.png", "colour.webp")) {
            assertEquals(name, 0.0, distance(name), 0.0)
        }
    }

    @Test
    fun `a photo is turned upright by its EXIF orientation`() {
        val image = decodePhoto(encoded("turned.jpg"))
        assertEquals(listOf(48, 64), listOf(image.width, image.height))
        // two decoders of the same JPEG differ by rounding
        assertTrue("${distance("turned.jpg")}", distance("turned.jpg") < 1.0)
    }

    @Test
    fun `what is no image, damaged, too large or too long is refused before it is decoded`() {
        val refused = mapOf(
            "no.png" to "no image that Android knows",
            "long.png" to "more than 100 times the other",
            "large.png" to "more than 50000000",
        )
        for ((name, message) in refused) {
            val error = assertThrows(ArtifactException::class.java) { decodePhoto(encoded(name)) }
            assertTrue("${error.message}", message in error.what)
        }
    }

    @Test
    fun `the picture for the screen has the image's pixels`() {
        val image = decodePhoto(encoded("colour.png"))
        val pixel = image.toBitmap().getPixel(3, 2)
        val at = 3 * (2 * image.width + 3)
        val channels = List(3) { image.bytes[at + it].toInt() and 0xff }
        assertEquals(listOf(pixel shr 16 and 0xff, pixel shr 8 and 0xff, pixel and 0xff), channels)
    }
}
