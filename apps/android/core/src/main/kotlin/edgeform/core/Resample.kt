package edgeform.core

import kotlin.math.abs
import kotlin.math.ceil

/*
 * Pillow's resize of 8-bit images, to the byte. Each output pixel is a weighted sum of the input
 * pixels under a filter; the filter widens by the scale when the image shrinks. Rows first, rounded
 * to 8 bits, then columns; weights in fixed point. Android's own scaling samples without widening.
 */

private const val PRECISION = 32 - 8 - 2 // bits of a weight's fraction

/** A filter over the distance from an output pixel's centre; zero from [support] on. */
private enum class Filter(val support: Double) {
    BILINEAR(1.0) {
        override fun weight(distance: Double) = if (distance < 1) 1 - distance else 0.0
    },

    /** The cubic convolution with a = -1/2. */
    BICUBIC(2.0) {
        override fun weight(distance: Double) = when {
            distance < 1 -> ((A + 2) * distance - (A + 3)) * distance * distance + 1
            distance < 2 -> (((distance - 5) * distance + 8) * distance - 4) * A
            else -> 0.0
        }
    };

    abstract fun weight(distance: Double): Double
}

private const val A = -0.5

/** For each output pixel: its first input pixel and the weights of those from there on. */
private class Weights(val first: IntArray, val fixed: Array<IntArray>)

/** An image of [width] x [height] pixels. */
fun RgbImage.resize(width: Int, height: Int, interpolation: Interpolation): RgbImage {
    val filter = Filter.valueOf(interpolation.name)
    val wide = if (width == this.width) this else rows(this, width, filter)
    return if (height == this.height) wide else columns(wide, height, filter)
}

private fun rows(image: RgbImage, width: Int, filter: Filter): RgbImage {
    val weights = weights(image.width, width, filter)
    val result = ByteArray(3 * width * image.height)
    for (row in 0 until image.height) {
        val source = 3 * row * image.width
        for (x in 0 until width) {
            val at = 3 * (row * width + x)
            sum(image.bytes, source + 3 * weights.first[x], 3, weights.fixed[x], result, at, 3)
        }
    }
    return RgbImage(width, image.height, result)
}

private fun columns(image: RgbImage, height: Int, filter: Filter): RgbImage {
    val weights = weights(image.height, height, filter)
    val stride = 3 * image.width
    val result = ByteArray(stride * height)
    for (y in 0 until height) {
        val source = stride * weights.first[y]
        sum(image.bytes, source, stride, weights.fixed[y], result, stride * y, stride)
    }
    return RgbImage(image.width, height, result)
}

/** [count] neighbouring bytes of the result, each the weighted sum of bytes [step] apart. */
private fun sum(
    bytes: ByteArray, from: Int, step: Int, weights: IntArray, result: ByteArray, to: Int, count: Int,
) {
    for (index in 0 until count) {
        var total = 1 shl (PRECISION - 1) // rounds to nearest
        var at = from + index
        for (weight in weights) {
            total += (bytes[at].toInt() and 0xff) * weight
            at += step
        }
        result[to + index] = (total shr PRECISION).coerceIn(0, 255).toByte()
    }
}

private fun weights(inputSize: Int, outputSize: Int, filter: Filter): Weights {
    val scale = inputSize.toDouble() / outputSize
    val widening = maxOf(scale, 1.0)
    val support = filter.support * widening
    val most = ceil(support).toInt() * 2 + 1
    val first = IntArray(outputSize)
    val fixed = Array(outputSize) { index ->
        val centre = (index + 0.5) * scale
        val begin = maxOf(0, (centre - support + 0.5).toInt())
        val end = minOf(inputSize, (centre + support + 0.5).toInt())
        first[index] = begin
        val exact = DoubleArray(minOf(end - begin, most)) {
            filter.weight(abs((it + begin - centre + 0.5) * (1 / widening)))
        }
        normalized(exact)
    }
    return Weights(first, fixed)
}

private fun normalized(weights: DoubleArray): IntArray {
    var total = 0.0
    for (weight in weights) total += weight
    return IntArray(weights.size) {
        val weight = (if (total != 0.0) weights[it] / total else weights[it]) * (1 shl PRECISION)
        (if (weight < 0) weight - 0.5 else weight + 0.5).toInt()
    }
}
