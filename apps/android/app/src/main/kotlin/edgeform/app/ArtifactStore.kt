package edgeform.app

import android.content.res.AssetManager
import edgeform.core.Artifact
import edgeform.core.ArtifactException
import edgeform.core.FileEntry
import edgeform.core.Manifest
import java.io.File
import java.io.FileNotFoundException
import java.io.IOException

private const val FOLDER = "artifacts"
private val NAME = Regex("[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

/**
 * The artifacts on this phone: those in the app's assets, and those that adb pushed into
 * `artifacts/` of the app's external files, which take precedence. The runtime needs files, so
 * assets are copied to [internal] when they are first opened.
 */
class ArtifactStore(
    private val assets: AssetManager,
    private val internal: File,
    private val external: () -> File?,
) {
    /** Names, sorted. */
    fun names(): List<String> {
        val pushed = external()?.let { File(it, FOLDER).list() }.orEmpty().toList()
        return (bundledNames() + pushed).filter(NAME::matches).distinct().sorted()
    }

    /** Opens and checks an artifact; not on the main thread. Throws [ArtifactException]. */
    fun open(name: String): Artifact {
        if (!NAME.matches(name)) {
            throw ArtifactException("\"$name\" is no artifact's name.", "Choose one of the list.")
        }
        val pushed = external()?.let { File(it, "$FOLDER/$name") }
        if (pushed != null && pushed.isDirectory) return Artifact.open(pushed)
        if (name !in bundledNames()) {
            throw ArtifactException("There is no artifact $name.", "Push it with adb, or choose another.")
        }
        return Artifact.open(installed(name))
    }

    /** The copy of a bundled artifact, made anew where its manifest differs. */
    private fun installed(name: String): File {
        val folder = File(internal, "$FOLDER/$name")
        val manifest = File(folder, "manifest.json")
        val bundled = assets.open("$FOLDER/$name/manifest.json").use { it.readBytes() }
        if (manifest.isFile && manifest.readBytes().contentEquals(bundled)) return folder
        folder.deleteRecursively()
        try {
            for (entry in Manifest.parse(String(bundled)).files) copy(name, folder, entry)
            manifest.writeBytes(bundled) // last: a copy that was cut short has none
        } catch (error: IOException) {
            folder.deleteRecursively()
            throw ArtifactException(
                "$name cannot be copied out of the app: ${error.message}.", "Free some space.", error,
            )
        }
        return folder
    }

    /** Copies a file if it is among the assets; [Artifact] says which of the others it needs. */
    private fun copy(name: String, folder: File, entry: FileEntry) {
        val source = try {
            assets.open("$FOLDER/$name/${entry.path}")
        } catch (_: FileNotFoundException) {
            return
        }
        val target = Artifact.inside(folder, entry.path)
        target.parentFile?.mkdirs()
        source.use { input -> target.outputStream().use { input.copyTo(it) } }
    }

    private fun bundledNames(): List<String> =
        assets.list(FOLDER).orEmpty().map { it.substringBefore('/') }.distinct()
}
