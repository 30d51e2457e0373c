package edgeform.core

import java.io.File
import java.nio.file.Files
import org.json.JSONArray
import org.json.JSONObject
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

class ArtifactTest {
    @TempDir
    lateinit var temporary: File

    private val folder by lazy { Golden.copy(temporary) }

    private fun refusal(): ArtifactException =
        assertThrows(ArtifactException::class.java) { Artifact.open(folder) }

    private fun rewrite(change: (JSONObject) -> Unit) {
        val manifest = File(folder, "manifest.json")
        manifest.writeText(JSONObject(manifest.readText()).also(change).toString())
    }

    private fun rename(from: String, to: String) = rewrite { manifest ->
        manifest.getJSONArray("files").objects().first { it.getString("path") == from }.put("path", to)
    }

    @Test
    fun `opens what the build wrote`() {
        val artifact = Artifact.open(folder)
        assertEquals(File(folder, "model.pte"), artifact.model)
        assertEquals(64, artifact.modelSha256.length)
        assertEquals(List(10, Int::toString), artifact.labels)
        assertEquals("7", artifact.label(7))
        assertTrue(artifact.hasGolden)
        assertEquals(3 * 64 * 64, artifact.goldenInput(0).size)
        assertEquals(10, artifact.expectedLogits(0).size)
    }

    @Test
    fun `needs only what is deployed`() {
        listOf("golden", "evidence").forEach { File(folder, it).deleteRecursively() }
        File(folder, "parity.json").delete()
        val artifact = Artifact.open(folder)
        assertFalse(artifact.hasGolden)
        assertTrue("golden/input_0.f32 is missing" in assertThrows(ArtifactException::class.java) {
            artifact.goldenInput(0)
        }.what)
    }

    @Test
    fun `the golden image preprocesses to the golden input`() {
        val artifact = Artifact.open(folder)
        val image = javax.imageio.ImageIO.read(File(folder, "golden/image_0.png"))
        val pixels = image.getRGB(0, 0, image.width, image.height, null, 0, image.width)
        val preprocessing = Preprocessing(artifact.manifest.input)
        val input = preprocessing.allocate()
        preprocessing.prepare(RgbImage.fromArgb(image.width, image.height, pixels), input)
        val values = FloatArray(artifact.manifest.input.elements).also { input.get(it) }
        assertTrue(values.contentEquals(artifact.goldenInput(0)))
    }

    @Test
    fun `one changed bit of the model is seen`() {
        val model = File(folder, "model.pte")
        model.writeBytes(model.readBytes().also { it[it.size / 2] = (it[it.size / 2] + 1).toByte() })
        assertTrue("model.pte is not the file that was built" in refusal().what)
    }

    @Test
    fun `missing and truncated files are named`() {
        val model = File(folder, "model.pte")
        model.writeBytes(model.readBytes().copyOf(100))
        assertTrue("digest" in refusal().what)
        model.delete()
        assertTrue("model.pte is missing" in refusal().what)
        File(folder, "manifest.json").delete()
        assertTrue("no manifest.json" in refusal().what)
    }

    @Test
    fun `paths that lead outside are refused`() {
        val outside = File(temporary, "model.pte")
        File(folder, "model.pte").copyTo(outside)
        val paths = listOf(
            "../model.pte", outside.path, "golden/../../model.pte", "./model.pte", "golden//x", "",
            "..\\model.pte", "model\u0000.pte", "..",
        )
        for (path in paths) {
            val before = File(folder, "manifest.json").readText()
            rename("model.pte", path)
            assertTrue("leads out of the artifact" in refusal().what, path)
            File(folder, "manifest.json").writeText(before)
        }
    }

    @Test
    fun `links that lead outside are refused, of files and of folders`() {
        val outside = File(temporary, "elsewhere.pte")
        File(folder, "model.pte").renameTo(outside)
        Files.createSymbolicLink(File(folder, "model.pte").toPath(), outside.toPath())
        assertTrue("leads out of the artifact" in refusal().what)
        Files.delete(File(folder, "model.pte").toPath())
        outside.renameTo(File(folder, "model.pte"))
        File(folder, "golden").renameTo(File(temporary, "golden"))
        Files.createSymbolicLink(File(folder, "golden").toPath(), File(temporary, "golden").toPath())
        assertTrue("leads out of the artifact" in refusal().what)
    }

    @Test
    fun `a sibling folder whose name begins alike is outside`() {
        val sibling = File(temporary, "artifact2").also { it.mkdir() }
        File(folder, "model.pte").renameTo(File(sibling, "model.pte"))
        Files.createSymbolicLink(
            File(folder, "model.pte").toPath(), File(sibling, "model.pte").toPath(),
        )
        assertTrue("leads out of the artifact" in refusal().what)
    }

    @Test
    fun `other targets, missing models and wrong labels are refused`() {
        rewrite { it.getJSONObject("target").put("name", "coreml") }
        assertTrue("coreml" in refusal().what)
        rewrite { it.getJSONObject("target").put("name", "vulkan") }
        assertEquals("vulkan", Artifact.open(folder).manifest.target)
        rewrite { manifest ->
            manifest.getJSONArray("files").objects().forEach { it.put("deploy", false) }
        }
        assertTrue("deploys no .pte" in refusal().what)
    }

    @Test
    fun `labels of another model are refused`() {
        rewrite { it.getJSONObject("output").put("shape", JSONArray(listOf(1, 11))) }
        assertTrue("10 lines for 11 classes" in refusal().what)
    }

    @Test
    fun `a golden file of another size is refused`() {
        rewrite { manifest ->
            val files = manifest.getJSONArray("files").objects()
            val (input, expected) = listOf("golden/input_0.f32", "golden/expected_0.f32").map { path ->
                files.first { it.getString("path") == path }
            }
            input.put("path", "golden/expected_0.f32")
            expected.put("path", "golden/input_0.f32")
            File(folder, "golden/input_0.f32").renameTo(File(folder, "golden/swap"))
            File(folder, "golden/expected_0.f32").renameTo(File(folder, "golden/input_0.f32"))
            File(folder, "golden/swap").renameTo(File(folder, "golden/expected_0.f32"))
        }
        val artifact = Artifact.open(folder)
        assertTrue("holds 40 bytes" in assertThrows(ArtifactException::class.java) {
            artifact.goldenInput(0)
        }.what)
    }
}
