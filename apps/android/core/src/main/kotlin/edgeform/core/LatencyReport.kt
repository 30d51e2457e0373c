package edgeform.core

import org.json.JSONArray
import org.json.JSONObject

private const val SCHEMA_VERSION = "1.0"

/** What ran the model; [isa] are the instruction sets that matter to its kernels. */
data class Device(
    val name: String,
    val os: String,
    val soc: String,
    val cores: Int,
    val abi: String,
    val isa: List<String>,
)

/** The platform's words for its thermal state, before the first run and after the last. */
data class Thermal(val start: String, val end: String)

/** A benchmark's result as `edgeform profile --import` reads it: see `apps/README.md`. */
class LatencyReport(
    val artifact: Artifact,
    val image: RgbImage,
    val plan: BenchmarkPlan,
    val measurements: Measurements,
    val device: Device,
    val runtimeVersion: String,
    val thermal: Thermal?,
    val peakMemoryBytes: Long?,
    val created: String,
) {
    fun toJson(): String = JSONObject()
        .put("schema_version", SCHEMA_VERSION)
        .put("artifact", artifact.manifest.name)
        .put("model_sha256", artifact.modelSha256)
        .put("runner", "adb")
        .put("created", created)
        .put("device", deviceJson())
        .put(
            "runtime",
            JSONObject()
                .put("backend", artifact.manifest.target)
                .put("version", runtimeVersion)
                .put("threads", plan.threads),
        )
        .put("image", JSONObject().put("width", image.width).put("height", image.height))
        .put("warmup", plan.warmUp)
        .put("iterations", measurements.total.size)
        .put("interrupted", measurements.interrupted)
        .put("load_ms", measurements.loadMs)
        .put("first_ms", measurements.firstMs)
        .put("phases", phasesJson())
        .put("peak_memory_bytes", peakMemoryBytes ?: JSONObject.NULL)
        .put("thermal", thermalJson())
        .put("operators", JSONObject.NULL)
        .toString(1)

    private fun deviceJson() = JSONObject()
        .put("name", device.name)
        .put("os", device.os)
        .put("soc", device.soc)
        .put("cores", device.cores)
        .put("abi", device.abi)
        .put("isa", JSONArray(device.isa))

    private fun phasesJson() = JSONObject()
        .put("preprocess", phaseJson(measurements.preprocess))
        .put("execute", phaseJson(measurements.execute))
        .put("postprocess", phaseJson(measurements.postprocess))
        .put("total", phaseJson(measurements.total))

    private fun phaseJson(samples: DoubleArray): JSONObject {
        val statistics = Statistics.of(samples)
        return JSONObject()
            .put("samples_ms", JSONArray(samples.toList()))
            .put("p50_ms", statistics.p50)
            .put("p90_ms", statistics.p90)
            .put("p99_ms", statistics.p99)
            .put("mean_ms", statistics.mean)
            .put("min_ms", statistics.min)
    }

    private fun thermalJson(): Any =
        thermal?.let { JSONObject().put("start", it.start).put("end", it.end) } ?: JSONObject.NULL
}
