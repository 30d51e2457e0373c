package edgeform.app

import edgeform.core.Benchmark
import edgeform.core.BenchmarkPlan
import edgeform.core.LatencyReport
import edgeform.core.RgbImage
import edgeform.core.Thermal
import java.text.SimpleDateFormat
import java.util.Date
import java.util.Locale
import java.util.TimeZone

// The size of a camera's preview: preprocessing starts from it.
private const val WIDTH = 1280
private const val HEIGHT = 960

/** A report, and the battery's charge in percent, which reports do not hold. */
class BenchmarkResult(val report: LatencyReport, val batteryBefore: Int?, val batteryAfter: Int?)

/** Times an artifact and publishes each step. */
fun measure(
    app: SampleApplication, name: String, plan: BenchmarkPlan, progress: Progress<BenchmarkState>,
): BenchmarkState {
    progress.publish(BenchmarkState.Running(0, plan.warmUp + plan.iterations))
    val artifact = app.store.open(name)
    val image = testImage()
    val warm = app.phone.thermalStatus()
    val charge = app.phone.battery()
    val measured = Benchmark(artifact, image, app.loader).run(
        plan,
        onStep = { done, all -> progress.publish(BenchmarkState.Running(done, all)) },
        cancelled = progress.cancelled,
    ) ?: return BenchmarkState.Cancelled
    val warmer = app.phone.thermalStatus()
    val report = LatencyReport(
        artifact = artifact,
        image = image,
        plan = plan,
        measurements = measured,
        device = app.phone.device(),
        runtimeVersion = EXECUTORCH_VERSION,
        thermal = if (warm != null && warmer != null) Thermal(warm, warmer) else null,
        peakMemoryBytes = app.phone.peakMemory(),
        created = now(),
    )
    return BenchmarkState.Done(BenchmarkResult(report, charge, app.phone.battery()))
}

/** A gradient: the time of a resize does not depend on what is in the picture. */
private fun testImage() = RgbImage(
    WIDTH, HEIGHT, ByteArray(3 * WIDTH * HEIGHT) { (it / 3 % WIDTH + it / (3 * WIDTH)).toByte() },
)

private fun now(): String {
    val format = SimpleDateFormat("yyyy-MM-dd'T'HH:mm:ss'Z'", Locale.ROOT)
    format.timeZone = TimeZone.getTimeZone("UTC")
    return format.format(Date())
}
