package edgeform.core

import java.nio.FloatBuffer

/** What is measured: with so many [threads], untimed runs first, then timed ones. */
data class BenchmarkPlan(val threads: Int, val warmUp: Int, val iterations: Int) {
    init {
        require(threads > 0 && warmUp >= 0 && iterations > 0) { "$this cannot be measured" }
    }
}

/** Times in milliseconds; [interrupted] where fewer iterations than planned were measured. */
class Measurements(
    val loadMs: Double,
    val firstMs: Double,
    val preprocess: DoubleArray,
    val execute: DoubleArray,
    val postprocess: DoubleArray,
    val total: DoubleArray,
    val interrupted: Boolean,
)

/** Times a model on one decoded image. [clock]: nanoseconds from any start. */
class Benchmark(
    private val artifact: Artifact,
    private val image: RgbImage,
    private val loader: ClassifierLoader,
    private val clock: () -> Long = System::nanoTime,
) {
    private val preprocessing = Preprocessing(artifact.manifest.input)

    /**
     * Loads, runs and closes the model. [onStep] gets the finished and all runs; [cancelled] is
     * asked between runs. Returns null where it was cancelled before the first timed run.
     */
    fun run(plan: BenchmarkPlan, onStep: (Int, Int) -> Unit, cancelled: () -> Boolean): Measurements? {
        val start = clock()
        val classifier = loader.load(artifact, plan.threads)
        val loadMs = milliseconds(start, clock())
        return classifier.use { measure(it, loadMs, plan, onStep, cancelled) }
    }

    private fun measure(
        classifier: Classifier,
        loadMs: Double,
        plan: BenchmarkPlan,
        onStep: (Int, Int) -> Unit,
        cancelled: () -> Boolean,
    ): Measurements? {
        val input = preprocessing.allocate()
        preprocessing.prepare(image, input)
        val begun = clock()
        classifier.run(input)
        val firstMs = milliseconds(begun, clock())
        val samples = ArrayList<DoubleArray>()
        val runs = plan.warmUp + plan.iterations
        for (index in 0 until runs) {
            onStep(index, runs)
            if (cancelled()) break
            val ticks = inference(classifier, input)
            if (index >= plan.warmUp) samples += ticks
        }
        if (samples.isEmpty()) return null
        onStep(plan.warmUp + samples.size, runs)
        fun column(index: Int) = DoubleArray(samples.size) { samples[it][index] }
        return Measurements(
            loadMs, firstMs, column(0), column(1), column(2), column(3),
            interrupted = samples.size < plan.iterations,
        )
    }

    /** Milliseconds of preprocess, execute, postprocess and all three. */
    private fun inference(classifier: Classifier, input: FloatBuffer): DoubleArray {
        val start = clock()
        preprocessing.prepare(image, input)
        val prepared = clock()
        val logits = classifier.run(input)
        val executed = clock()
        (artifact.manifest.output as? LogitsContract)?.let { topClasses(logits, it) }
        val end = clock()
        return doubleArrayOf(
            milliseconds(start, prepared),
            milliseconds(prepared, executed),
            milliseconds(executed, end),
            milliseconds(start, end),
        )
    }
}

private fun milliseconds(from: Long, to: Long): Double = (to - from) / 1e6
