package edgeform.core

import kotlin.math.log10

private const val IDENTICAL_DB = 200.0 // of equal logits; float32 reaches about 150 otherwise
private const val BUILD = "Build the artifact again, with samples that differ."

/**
 * How far one head's logits, or one tensor, on the phone are from the expected ones, over all images.
 * [sqnrDb] weighs the error against what differs between images: an answer that is always the same
 * reaches 0 dB at best. [classes] is null where there are none.
 */
data class Agreement(val sqnrDb: Double, val classes: ClassAgreement?) {
    fun passes(mark: PassMark): Boolean = sqnrDb >= mark.sqnrDb && (classes == null || classes.passes(mark))
}

/** [constant]: the [top1] of an answer that is always the commonest class. */
data class ClassAgreement(val top1: Double, val constant: Double) {
    /** Whether [top1] says anything: a constant answer does not reach the mark. */
    fun judged(mark: PassMark): Boolean = mark.top1 != null && constant < mark.top1

    fun passes(mark: PassMark): Boolean = !judged(mark) || mark.top1 == null || top1 >= mark.top1
}

/**
 * Compares logits, one array a sample as [Classifier.run] gives it, and tells of each head or tensor. Throws
 * [ArtifactException] for what cannot be judged: other sizes, NaN, fewer than two images or images
 * whose expected logits are all the same.
 */
fun compare(expected: List<FloatArray>, actual: List<FloatArray>, output: OutputContract): List<Agreement> {
    if (expected.size != actual.size || (expected + actual).any { it.size != output.elements }) {
        throw ArtifactException("The logits have another size than the manifest says.", BUILD)
    }
    if (!(expected + actual).all { it.all(Float::isFinite) }) {
        throw ArtifactException("There are NaN or infinite logits.", BUILD)
    }
    return when (output) {
        is LogitsContract -> List(output.heads) { head ->
            val (wanted, got) = listOf(expected, actual).map { rows(it, output, head) }
            Agreement(sqnrDb(wanted, got), classAgreement(wanted, got))
        }

        is TensorsContract -> output.tensors.indices.map { number ->
            val (wanted, got) = listOf(expected, actual).map { rows(it, output, number) }
            Agreement(sqnrDb(wanted, got), classes = null)
        }
    }
}

/** A head's logits of each image of each sample. */
private fun rows(samples: List<FloatArray>, output: LogitsContract, head: Int): List<FloatArray> =
    samples.flatMap { logits ->
        List(output.batch) { image ->
            val start = (head * output.batch + image) * output.classes
            logits.copyOfRange(start, start + output.classes)
        }
    }

/** One tensor of each sample. */
private fun rows(samples: List<FloatArray>, output: TensorsContract, number: Int): List<FloatArray> {
    val start = output.tensors.take(number).sumOf { it.elements }
    return samples.map { it.copyOfRange(start, start + output.tensors[number].elements) }
}

private fun sqnrDb(expected: List<FloatArray>, actual: List<FloatArray>): Double {
    var signal = 0.0
    var noise = 0.0
    for (index in expected.firstOrNull()?.indices ?: IntRange.EMPTY) {
        val mean = expected.sumOf { it[index].toDouble() } / expected.size
        for ((wanted, got) in expected.zip(actual)) {
            signal += (wanted[index] - mean).let { it * it }
            noise += (got[index].toDouble() - wanted[index]).let { it * it }
        }
    }
    if (signal == 0.0) { // of fewer than two images, too
        throw ArtifactException("These inputs do not tell: their expected logits do not differ.", BUILD)
    }
    return if (noise == 0.0) IDENTICAL_DB else minOf(IDENTICAL_DB, 10 * log10(signal / noise))
}

private fun classAgreement(expected: List<FloatArray>, actual: List<FloatArray>): ClassAgreement {
    val classes = expected.map(::largest)
    val commonest = classes.groupingBy { it }.eachCount().values.max()
    return ClassAgreement(
        top1 = classes.zip(actual).count { (wanted, got) -> wanted == largest(got) } / classes.size.toDouble(),
        constant = commonest / classes.size.toDouble(),
    )
}

private fun largest(logits: FloatArray): Int = logits.indices.maxBy { logits[it] }
