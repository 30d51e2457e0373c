package edgeform.core

private const val MAJOR = 1
private const val MOST_NUMBERS = 1L shl 26 // of an input or output: 256 MiB

/** How a resized image takes the value between two pixels. */
enum class Interpolation { BILINEAR, BICUBIC }

/** Whether an image keeps its proportion and loses what is outside the window, or the reverse. */
enum class ResizeMode { CROP, STRETCH }

/** Shorter side to [size] pixels, then a centre crop of [height] x [width]; or both sides stretched to them. */
data class Resize(
    val size: Int,
    val interpolation: Interpolation,
    val height: Int,
    val width: Int,
    val mode: ResizeMode = ResizeMode.CROP,
)

/**
 * The model's input, float32 NCHW of RGB. [normalizedByCaller]: whether the app subtracts [mean]
 * and divides by [std], or the model does.
 */
class InputContract(
    val shape: IntArray,
    val resize: Resize,
    val normalizedByCaller: Boolean,
    val mean: FloatArray,
    val std: FloatArray,
) {
    /** Numbers in one input. */
    val elements: Int = shape.fold(1, Int::times)
}

/** What the model gives: its outputs, one after the other. */
sealed interface OutputContract {
    /** Numbers in all of them. */
    val elements: Int
}

/** [heads] outputs, each of [batch] x [classes] logits. */
data class LogitsContract(val batch: Int, val classes: Int, val heads: Int) : OutputContract {
    override val elements: Int get() = batch * heads * classes
}

/** An output by its name. */
data class TensorContract(val name: String, val shape: List<Int>) {
    val elements: Int get() = shape.fold(1, Int::times)
}

/** Outputs that are no logits of classes: they can be compared and timed, and name no class. */
data class TensorsContract(val tensors: List<TensorContract>) : OutputContract {
    override val elements: Int get() = tensors.sumOf { it.elements }
}

/** A file of the artifact, its path relative to the manifest. */
data class FileEntry(val path: String, val bytes: Long, val sha256: String, val deploy: Boolean)

/** The pass mark of the self-test: over all samples, and as a share of them; null without classes. */
data class PassMark(val sqnrDb: Double, val top1: Double?)

/** What an app needs of `manifest.json`; other fields are ignored. */
class Manifest(
    val name: String,
    val model: String,
    val recipe: String,
    val target: String,
    val input: InputContract,
    val output: OutputContract,
    val goldenSamples: Int,
    val passMark: PassMark,
    val files: List<FileEntry>,
) {
    /** What classifying needs of the output. Throws [ArtifactException] where it has no classes. */
    fun logits(): LogitsContract = output as? LogitsContract ?: throw ArtifactException(
        "$name gives tensors, not logits of classes: it does not classify.",
        "Choose another artifact, or use this one in the self-test and the benchmark.",
    )

    companion object {
        /** Reads the text of a manifest. Throws [ArtifactException] that names the field. */
        fun parse(text: String): Manifest = try {
            val root = JsonSection.parse(text)
            checkVersion(root.text("schema_version"))
            read(root)
        } catch (error: MalformedJson) {
            throw ArtifactException(
                "The manifest is damaged: ${error.message}.", "Build the artifact again.", error,
            )
        }

        private fun checkVersion(version: String) {
            val major = Regex("(\\d{1,6})\\.\\d{1,6}").matchEntire(version)?.groupValues?.get(1)
                ?: throw MalformedJson("schema_version \"$version\" is not major.minor")
            if (major.toInt() > MAJOR) {
                throw ArtifactException(
                    "The manifest has schema version $version; this app reads $MAJOR.",
                    "Update the app.",
                )
            }
        }

        private fun read(root: JsonSection): Manifest {
            val input = readInput(root.section("input"))
            val output = readOutput(root.section("output"))
            if (output is LogitsContract && output.batch != input.shape[0]) {
                throw MalformedJson("output.shape has another batch than input.shape")
            }
            val selfTest = root.section("selftest")
            return Manifest(
                name = root.text("name"),
                model = root.section("model").text("name"),
                recipe = root.text("recipe"),
                target = root.section("target").text("name"),
                input = input,
                output = output,
                goldenSamples = root.section("golden").size("samples"),
                passMark = PassMark(
                    selfTest.number("sqnr_db"),
                    if (output is LogitsContract) selfTest.number("top1") else null,
                ),
                files = root.sections("files").map(::readFile),
            )
        }

        private fun readInput(input: JsonSection): InputContract {
            input.choice("kind", "tensor")
            input.choice("dtype", "float32")
            input.choice("layout", "NCHW")
            input.choice("color_order", "RGB")
            val shape = input.sizes("shape", 4)
            val resize = input.section("resize")
            val (height, width) = resize.sizes("crop", 2)
            if (shape[1] != 3 || shape[2] != height || shape[3] != width) {
                throw MalformedJson("input.shape is not (batch, 3, height, width) of the crop")
            }
            checkNumbers("input.shape", shape.fold(1L, Long::times))
            val interpolation = resize.choice("interpolation", "bilinear", "bicubic")
            return InputContract(
                shape = shape,
                resize = Resize(
                    size = resize.size("size"),
                    interpolation = Interpolation.valueOf(interpolation.uppercase()),
                    height = height,
                    width = width,
                    mode = ResizeMode.valueOf(resize.choiceOr("crop", "mode", "crop", "stretch").uppercase()),
                ),
                normalizedByCaller = input.choice("normalization", "caller", "model") == "caller",
                mean = input.floats("mean", 3),
                std = input.floats("std", 3).onEach {
                    if (it <= 0) throw MalformedJson("input.std holds $it, which is not above 0")
                },
            )
        }

        private fun readOutput(output: JsonSection): OutputContract =
            if (output.choice("kind", "logits", "tensors") == "logits") readLogits(output) else readTensors(output)

        private fun readTensors(output: JsonSection): TensorsContract {
            val tensors = output.sections("tensors").map { TensorContract(it.text("name"), it.sizes("shape").toList()) }
            if (tensors.isEmpty()) throw MalformedJson("output.tensors is empty")
            val sizes = tensors.map { it.shape.fold(1L, ::bounded) }
            checkNumbers("output.tensors", sizes.sum())
            return TensorsContract(tensors)
        }

        /** A product that stays too large once it is, without an overflow. */
        private fun bounded(product: Long, side: Int): Long = minOf(product * side, MOST_NUMBERS + 1)

        private fun readLogits(output: JsonSection): LogitsContract {
            val (batch, classes) = output.sizes("shape", 2)
            val heads = if (output.choice("heads", "mean", "both") == "both") 2 else 1
            checkNumbers("output.shape", heads.toLong() * batch * classes)
            return LogitsContract(batch, classes, heads)
        }

        private fun checkNumbers(name: String, count: Long) {
            if (count > MOST_NUMBERS) throw MalformedJson("$name has more than $MOST_NUMBERS numbers")
        }

        private fun readFile(file: JsonSection) = FileEntry(
            path = file.text("path"),
            bytes = file.bytes("bytes"),
            sha256 = file.text("sha256"),
            deploy = file.flag("deploy"),
        )
    }
}
