package edgeform.core

import kotlin.math.exp

/** A class and its probability. */
data class Prediction(val index: Int, val probability: Double)

/**
 * The most probable classes of the first image, best first. [logits]: rows x [LogitsContract.classes],
 * the first head's rows before the second's; two heads are averaged.
 */
fun topClasses(logits: FloatArray, output: LogitsContract, count: Int = 5): List<Prediction> {
    val probabilities = softmax(firstImage(logits, output))
    return probabilities.indices.sortedByDescending { probabilities[it] }
        .take(count)
        .map { Prediction(it, probabilities[it]) }
}

private fun firstImage(logits: FloatArray, output: LogitsContract): DoubleArray {
    val head = output.batch * output.classes
    return DoubleArray(output.classes) { index ->
        var sum = 0.0
        for (start in 0 until output.heads) sum += logits[start * head + index]
        sum / output.heads
    }
}

/** exp(x - max) over its sum: large logits do not overflow. */
fun softmax(logits: DoubleArray): DoubleArray {
    val largest = logits.max()
    val powers = DoubleArray(logits.size) { exp(logits[it] - largest) }
    val sum = powers.sum()
    return DoubleArray(powers.size) { powers[it] / sum }
}
