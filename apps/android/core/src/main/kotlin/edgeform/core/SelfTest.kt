package edgeform.core

import kotlin.math.log10

private const val IDENTICAL_DB = 200.0 // of equal logits; float32 reaches about 150 otherwise

/** How far the phone's logits are from the expected ones, over all samples. */
data class Agreement(val sqnrDb: Double, val top1: Double) {
    fun passes(mark: PassMark): Boolean = sqnrDb >= mark.sqnrDb && top1 >= mark.top1
}

/**
 * Compares logits, one array of rows x [classes] a sample. Throws [IllegalArgumentException], with
 * a reason to show, for what cannot be compared: no samples, other sizes, NaN, an all-zero
 * reference.
 */
fun compare(expected: List<FloatArray>, actual: List<FloatArray>, classes: Int): Agreement {
    require(expected.isNotEmpty()) { "there are no samples" }
    require(expected.map { it.size } == actual.map { it.size }) { "the outputs have another size" }
    require((expected + actual).all { it.all(Float::isFinite) }) { "there are NaN or infinite values" }
    var signal = 0.0
    var noise = 0.0
    var rows = 0
    var equal = 0
    for ((wanted, got) in expected.zip(actual)) {
        for (index in wanted.indices) {
            val difference = wanted[index].toDouble() - got[index]
            signal += wanted[index].toDouble() * wanted[index]
            noise += difference * difference
        }
        for (start in wanted.indices step classes) {
            rows++
            if (largest(wanted, start, classes) == largest(got, start, classes)) equal++
        }
    }
    require(signal > 0) { "the reference is all zero" }
    val sqnr = if (noise == 0.0) IDENTICAL_DB else 10 * log10(signal / noise)
    return Agreement(minOf(sqnr, IDENTICAL_DB), equal.toDouble() / rows)
}

private fun largest(logits: FloatArray, start: Int, classes: Int): Int =
    (start until start + classes).maxBy { logits[it] }
