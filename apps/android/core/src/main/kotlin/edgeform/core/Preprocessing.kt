package edgeform.core

import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.FloatBuffer

/** A model's preprocessing after decoding: resize, centre crop, normalization, NCHW. */
class Preprocessing(private val input: InputContract) {
    /** Resized so that the crop window is covered, then the window; or stretched to it. */
    fun resizeAndCrop(image: RgbImage): RgbImage {
        val resize = input.resize
        if (resize.mode == ResizeMode.STRETCH) {
            return image.resize(resize.width, resize.height, resize.interpolation)
        }
        val shorter = minOf(resize.height, resize.width)
        val scale = maxOf(
            covered(resize.height, resize.size, shorter) / image.height,
            covered(resize.width, resize.size, shorter) / image.width,
        )
        val width = maxOf(resize.width, Math.rint(image.width * scale).toInt())
        val height = maxOf(resize.height, Math.rint(image.height * scale).toInt())
        val resized = image.resize(width, height, resize.interpolation)
        val left = (width - resize.width) / 2
        val top = (height - resize.height) / 2
        return resized.crop(left, top, resize.width, resize.height)
    }

    /** A buffer as the runtime wants it: direct, native byte order, exactly one input. */
    fun allocate(): FloatBuffer =
        ByteBuffer.allocateDirect(4 * input.elements).order(ByteOrder.nativeOrder()).asFloatBuffer()

    /** Writes an image as every image of the batch into [target]. Its position stays. */
    fun prepare(image: RgbImage, target: FloatBuffer) {
        val bytes = resizeAndCrop(image).bytes
        var at = 0
        repeat(input.shape[0]) {
            for (channel in 0 until 3) {
                for (index in channel until bytes.size step 3) {
                    target.put(at++, normalized[channel][bytes[index].toInt() and 0xff])
                }
            }
        }
    }

    /** For each channel what each of the 256 values of a pixel becomes. */
    private val normalized = Array(3) { channel ->
        FloatArray(256) { value ->
            val share = value / 255f
            if (input.normalizedByCaller) (share - input.mean[channel]) / input.std[channel] else share
        }
    }
}

/** What a side of the crop is before the crop, when [shorter] is [size]: whole pixels. */
private fun covered(side: Int, size: Int, shorter: Int): Double =
    Math.rint(side.toDouble() * size / shorter)
