package edgeform.core

private const val TURNED = 5 // EXIF orientations from here on exchange width and height

/** Pixels of 8 bits, row by row, three bytes (red, green, blue) a pixel. */
class RgbImage(val width: Int, val height: Int, val bytes: ByteArray) {
    init {
        require(width > 0 && height > 0 && bytes.size == 3 * width * height) {
            "$width x $height pixels and ${bytes.size} bytes do not fit"
        }
    }

    /** The window of [width] x [height] pixels whose upper left corner is ([left], [top]). */
    fun crop(left: Int, top: Int, width: Int, height: Int): RgbImage {
        val cut = ByteArray(3 * width * height)
        for (row in 0 until height) {
            val start = 3 * ((top + row) * this.width + left)
            bytes.copyInto(cut, 3 * width * row, start, start + 3 * width)
        }
        return RgbImage(width, height, cut)
    }

    /** Upright, from an EXIF [orientation] of 1 to 8; any other value means upright already. */
    fun upright(orientation: Int): RgbImage {
        if (orientation !in 2..8) return this
        val swapped = orientation >= TURNED
        val newWidth = if (swapped) height else width
        val newHeight = if (swapped) width else height
        val turned = ByteArray(bytes.size)
        for (y in 0 until newHeight) {
            for (x in 0 until newWidth) {
                val mirroredX = newWidth - 1 - x
                val mirroredY = newHeight - 1 - y
                val (column, row) = when (orientation) {
                    2 -> mirroredX to y
                    3 -> mirroredX to mirroredY
                    4 -> x to mirroredY
                    5 -> y to x
                    6 -> y to mirroredX
                    7 -> mirroredY to mirroredX
                    else -> mirroredY to x
                }
                val from = 3 * (row * width + column)
                bytes.copyInto(turned, 3 * (y * newWidth + x), from, from + 3)
            }
        }
        return RgbImage(newWidth, newHeight, turned)
    }

    companion object {
        /**
         * From pixels as Android decodes them, 0xAARRGGBB with colours not multiplied by alpha:
         * transparency over black, rounded as Pillow's `alpha_composite` rounds it.
         */
        fun fromArgb(width: Int, height: Int, pixels: IntArray): RgbImage {
            val bytes = ByteArray(3 * width * height)
            for (index in 0 until width * height) {
                val pixel = pixels[index]
                val alpha = pixel ushr 24
                for (channel in 0 until 3) {
                    val value = pixel ushr (16 - 8 * channel) and 0xff
                    bytes[3 * index + channel] = overBlack(value, alpha).toByte()
                }
            }
            return RgbImage(width, height, bytes)
        }

        /** value * alpha / 255 in Pillow's fixed point with 7 more bits. */
        private fun overBlack(value: Int, alpha: Int): Int {
            val scaled = (value * alpha + 128) shl 7
            return ((scaled ushr 8) + scaled ushr 8) ushr 7
        }
    }
}
