package edgeform.core

import java.io.File
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.security.MessageDigest

private const val MANIFEST = "manifest.json"
private const val LABELS = "labels.txt"
private const val LARGEST_MANIFEST = 16L shl 20
private val TARGETS = setOf("xnnpack", "vulkan")

/**
 * An artifact folder whose manifest is valid and whose deployed files have the manifest's digests.
 * [model] is the file for the runtime.
 */
class Artifact private constructor(
    val folder: File,
    val manifest: Manifest,
    val model: File,
    val modelSha256: String,
    /** Class names in order; empty where they are not known. */
    val labels: List<String>,
) {
    /** The name of a class, or its number. */
    fun label(index: Int): String = labels.getOrNull(index) ?: "class $index"

    /** Whether the golden inputs were copied along with the deployed files. */
    val hasGolden: Boolean get() = File(folder, goldenPath("input", 0)).isFile

    /** One golden input, as many numbers as the manifest's input shape has. */
    fun goldenInput(sample: Int): FloatArray =
        floats(goldenPath("input", sample), manifest.input.elements)

    /** The logits of the saved file on a golden input where it was built, rows x classes. */
    fun expectedLogits(sample: Int): FloatArray =
        floats(goldenPath("expected", sample), manifest.output.elements)

    private fun floats(path: String, count: Int): FloatArray {
        val entry = manifest.files.find { it.path == path }
            ?: throw ArtifactException("The manifest does not list $path.", BUILD)
        val bytes = read(checked(folder, entry))
        if (bytes.size != 4 * count) {
            throw ArtifactException("$path holds ${bytes.size} bytes, not ${4 * count}.", BUILD)
        }
        return readFloats(bytes)
    }

    companion object {
        private const val BUILD = "Build the artifact again."
        private const val COPY = "Copy the artifact to the phone again."

        /** Opens and checks a folder. Throws [ArtifactException] that names what is wrong. */
        fun open(folder: File): Artifact {
            val manifest = Manifest.parse(readManifest(folder))
            if (manifest.target !in TARGETS) {
                throw ArtifactException(
                    "${manifest.name} is for the target ${manifest.target}, which is not Android's.",
                    "Build it with --target ${TARGETS.joinToString(" or ")}.",
                )
            }
            manifest.files.forEach { inside(folder, it.path) }
            val deployed = manifest.files.filter { it.deploy }.associateWith { checked(folder, it) }
            val (entry, model) = deployed.entries.find { it.key.path.endsWith(".pte") }
                ?: throw ArtifactException("${manifest.name} deploys no .pte file.", BUILD)
            val labels = deployed.entries.find { it.key.path == LABELS }?.value
            return Artifact(
                folder,
                manifest,
                model,
                entry.sha256,
                if (labels == null) emptyList() else readLabels(labels, manifest.logits().classes),
            )
        }

        private fun readLabels(file: File, classes: Int): List<String> {
            val labels = String(read(file)).removePrefix("\uFEFF").lines().dropLastWhile(String::isEmpty)
            if (labels.size != classes) {
                throw ArtifactException("$LABELS has ${labels.size} lines for $classes classes.", BUILD)
            }
            return labels
        }

        private fun readManifest(folder: File): String {
            val file = File(folder, MANIFEST)
            if (!file.isFile) {
                throw ArtifactException("${folder.name} is no artifact: it has no $MANIFEST.", COPY)
            }
            if (file.length() > LARGEST_MANIFEST) {
                throw ArtifactException("$MANIFEST has more than $LARGEST_MANIFEST bytes.", BUILD)
            }
            return String(read(file))
        }

        /** The file of a manifest's [path] below [folder]; throws where it leads out of it. */
        fun inside(folder: File, path: String): File {
            val parts = path.split('/')
            val plain = parts.none { it.isEmpty() || it == "." || it == ".." || '\\' in it || '\u0000' in it }
            val file = File(folder, path)
            // the canonical path has followed every link
            if (!plain || !file.canonicalPath.startsWith(folder.canonicalPath + File.separator)) {
                throw ArtifactException(
                    "The manifest names \"$path\", which leads out of the artifact.",
                    "Do not use this artifact: it was tampered with.",
                )
            }
            return file
        }

        private fun checked(folder: File, entry: FileEntry): File {
            val file = inside(folder, entry.path)
            if (!file.isFile) throw ArtifactException("${entry.path} is missing.", COPY)
            if (file.length() != entry.bytes || digest(file) != entry.sha256) {
                throw ArtifactException(
                    "${entry.path} is not the file that was built: its digest differs.", COPY,
                )
            }
            return file
        }

        private fun digest(file: File): String {
            val sha256 = MessageDigest.getInstance("SHA-256")
            try {
                file.inputStream().use { input ->
                    val buffer = ByteArray(1 shl 16)
                    generateSequence { input.read(buffer).takeIf { it >= 0 } }
                        .forEach { sha256.update(buffer, 0, it) }
                }
            } catch (error: IOException) {
                throw unreadable(file, error)
            }
            return sha256.digest().joinToString("") { "%02x".format(it) }
        }

        private fun read(file: File): ByteArray = try {
            file.readBytes()
        } catch (error: IOException) {
            throw unreadable(file, error)
        }

        private fun unreadable(file: File, error: IOException) =
            ArtifactException("${file.name} cannot be read: ${error.message}.", COPY, error)
    }
}

private fun goldenPath(kind: String, sample: Int) = "golden/${kind}_$sample.f32"

/** Raw little-endian float32, as the golden files hold it. */
fun readFloats(bytes: ByteArray): FloatArray {
    val values = FloatArray(bytes.size / 4)
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values)
    return values
}

/** The inverse of [readFloats]. */
fun writeFloats(values: FloatArray): ByteArray {
    val bytes = ByteBuffer.allocate(4 * values.size).order(ByteOrder.LITTLE_ENDIAN)
    bytes.asFloatBuffer().put(values)
    return bytes.array()
}
