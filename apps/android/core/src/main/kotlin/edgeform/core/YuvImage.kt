package edgeform.core

import java.nio.ByteBuffer

/** A plane of a frame: a value every [pixelStride] bytes, rows [rowStride] bytes apart. */
class Plane(val bytes: ByteBuffer, val rowStride: Int, val pixelStride: Int) {
    fun value(x: Int, y: Int): Int = bytes.get(y * rowStride + x * pixelStride).toInt() and 0xff
}

/**
 * A camera's frame as Android's `YUV_420_888` has it: [luma] for each pixel, [blue] and [red]
 * differences for each 2 x 2 of them, of the full range 0 to 255 (JFIF, what the format means
 * unless a data space says otherwise).
 */
class YuvImage(
    val width: Int,
    val height: Int,
    private val luma: Plane,
    private val blue: Plane,
    private val red: Plane,
) {
    /** The colours that Pillow computes of the same values, to the byte; a 2 x 2 shares its chroma. */
    fun toRgb(): RgbImage {
        val bytes = ByteArray(3 * width * height)
        var at = 0
        for (row in 0 until height) {
            for (column in 0 until width) {
                val y = luma.value(column, row)
                val u = blue.value(column / 2, row / 2)
                val v = red.value(column / 2, row / 2)
                bytes[at++] = clipped(y + (RED_OF_RED[v] shr FRACTION))
                bytes[at++] = clipped(y + ((GREEN_OF_BLUE[u] + GREEN_OF_RED[v]) shr FRACTION))
                bytes[at++] = clipped(y + (BLUE_OF_BLUE[u] shr FRACTION))
            }
        }
        return RgbImage(width, height, bytes)
    }
}

/**
 * Turned clockwise by [degrees], a multiple of 90: what a frame needs to be upright, which for a
 * camera at the back is its sensor's orientation less the display's rotation.
 */
fun RgbImage.turned(degrees: Int): RgbImage {
    require(degrees % 90 == 0) { "$degrees degrees are no quarter turns" }
    return upright(ORIENTATIONS[Math.floorMod(degrees / 90, ORIENTATIONS.size)])
}

private val ORIENTATIONS = intArrayOf(1, 6, 3, 8) // EXIF's, by clockwise quarter turns to upright

private const val FRACTION = 6 // bits of a product's fraction

/** The products of a colour's factor (ITU-R BT.601) and each difference, toward zero as Pillow's. */
private fun products(factor: Double) = IntArray(256) { (factor * (it - 128) * (1 shl FRACTION) + 0.5).toInt() }

private val RED_OF_RED = products(1.402)
private val GREEN_OF_BLUE = products(-0.34414)
private val GREEN_OF_RED = products(-0.71414)
private val BLUE_OF_BLUE = products(1.772)

private fun clipped(value: Int): Byte = value.coerceIn(0, 255).toByte()
