package edgeform.core

import java.io.File
import org.json.JSONArray
import org.json.JSONObject

/** Files that the Python side wrote with its own code, just before these tests. */
object Golden {
    val folder = File(
        System.getProperty("edgeform.golden")?.takeIf { it.isNotEmpty() }
            ?: error("make android-test writes the golden files and names them in edgeform.golden"),
    )

    val artifact get() = File(folder, "artifact")

    fun text(path: String): String = File(folder, path).readText()

    fun bytes(path: String): ByteArray = File(folder, path).readBytes()

    fun floats(path: String): FloatArray = readFloats(bytes(path))

    fun list(path: String): List<JSONObject> = JSONArray(text(path)).objects()

    /** An image file of three bytes a pixel, named in a case beside its size. */
    fun image(case: JSONObject, name: String): RgbImage {
        val size = case.getJSONObject(name)
        return RgbImage(size.getInt("width"), size.getInt("height"), bytes(size.getString("path")))
    }

    /** A fresh copy of the artifact, to damage. */
    fun copy(to: File): File = File(to, "artifact").also { artifact.copyRecursively(it) }
}

fun JSONArray.objects(): List<JSONObject> = List(length()) { getJSONObject(it) }

fun JSONArray.doubles(): DoubleArray = DoubleArray(length()) { getDouble(it) }

fun JSONArray.floats(): FloatArray = FloatArray(length()) { getDouble(it).toFloat() }
