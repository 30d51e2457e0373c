package edgeform.core

private const val MAJOR = 1
private const val MOST_NUMBERS = 1L shl 26 // of an input or output: 256 MiB

/** How a resized image takes the value between two pixels. */
enum class Interpolation { BILINEAR, BICUBIC }

/** Shorter side to [size] pixels, then a centre crop of [height] x [width]. */
data class Resize(val size: Int, val interpolation: Interpolation, val height: Int, val width: Int)

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

/** [heads] outputs, each of [batch] x [classes] logits. */
data class OutputContract(val batch: Int, val classes: Int, val heads: Int) {
    val rows: Int get() = batch * heads
    val elements: Int get() = rows * classes
}

/** A file of the artifact, its path relative to the manifest. */
data class FileEntry(val path: String, val bytes: Long, val sha256: String, val deploy: Boolean)

/** The pass mark of the self-test: over all samples, and as a share of them. */
data class PassMark(val sqnrDb: Double, val top1: Double)

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
            if (output.batch != input.shape[0]) {
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
                passMark = PassMark(selfTest.number("sqnr_db"), selfTest.number("top1")),
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
                ),
                normalizedByCaller = input.choice("normalization", "caller", "model") == "caller",
                mean = input.floats("mean", 3),
                std = input.floats("std", 3).onEach {
                    if (it <= 0) throw MalformedJson("input.std holds $it, which is not above 0")
                },
            )
        }

        private fun readOutput(output: JsonSection): OutputContract {
            output.choice("kind", "logits")
            val (batch, classes) = output.sizes("shape", 2)
            val heads = if (output.choice("heads", "mean", "both") == "both") 2 else 1
            checkNumbers("output.shape", heads.toLong() * batch * classes)
            return OutputContract(batch, classes, heads)
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
