package edgeform.core

import org.json.JSONArray
import org.json.JSONObject
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class ManifestTest {
    private val text = Golden.text("artifact/manifest.json")

    private fun changed(change: (JSONObject) -> Unit): String =
        JSONObject(text).also(change).toString()

    private fun refusal(text: String): String =
        assertThrows(ArtifactException::class.java) { Manifest.parse(text) }.message!!

    @Test
    fun `reads what the build wrote`() {
        val manifest = Manifest.parse(text)
        val written = JSONObject(text)
        assertEquals(written.getString("name"), manifest.name)
        assertEquals("xnnpack", manifest.target)
        assertArrayEquals(intArrayOf(1, 3, 64, 64), manifest.input.shape)
        assertEquals(Resize(64, Interpolation.BILINEAR, 64, 64), manifest.input.resize)
        assertEquals(LogitsContract(batch = 1, classes = 10, heads = 1), manifest.output)
        assertEquals(written.getJSONObject("golden").getInt("samples"), manifest.goldenSamples)
        assertEquals(written.getJSONArray("files").length(), manifest.files.size)
        assertTrue(manifest.files.any { it.path == "model.pte" && it.deploy })
    }

    @Test
    fun `ignores fields that it does not know, and newer minor versions`() {
        val newer = changed { it.put("schema_version", "1.9").put("colour", "red") }
        assertEquals(Manifest.parse(text).name, Manifest.parse(newer).name)
    }

    @Test
    fun `refuses newer major versions and versions that are none`() {
        assertTrue("Update the app" in refusal(changed { it.put("schema_version", "2.0") }))
        for (version in listOf("", "1", "one.two", "-1.0", "99999999999.0")) {
            assertTrue("damaged" in refusal(changed { it.put("schema_version", version) }))
        }
    }

    @Test
    fun `refuses what is no single JSON object`() {
        for (other in listOf("", "[]", "null", "{", "$text x", "{\"a\":".repeat(100_000), "[".repeat(100_000))) {
            assertTrue("damaged" in refusal(other))
        }
    }

    @Test
    fun `refuses sizes whose buffers would not fit`() {
        fun shape(vararg sides: Int) = changed {
            val input = it.getJSONObject("input")
            input.put("shape", JSONArray(sides.toList()))
            input.getJSONObject("resize").put("crop", JSONArray(listOf(sides[2], sides[3])))
        }
        assertTrue("input.shape" in refusal(shape(1, 3, 32768, 32768)))
        assertTrue("input.shape" in refusal(shape(32768, 3, 32768, 32768)))
        assertTrue("input.shape[2]" in refusal(shape(1, 3, 0, 64)))
        val classes = changed {
            it.getJSONObject("output").put("shape", JSONArray(listOf(1, 32769)))
        }
        assertTrue("output.shape[1]" in refusal(classes))
        assertTrue("batch" in refusal(shape(2, 3, 64, 64)))
    }

    private fun tensors(vararg shapes: List<Any>) = changed {
        val listed = shapes.mapIndexed { number, shape -> JSONObject().put("name", "t$number").put("shape", JSONArray(shape)) }
        it.put("output", JSONObject().put("kind", "tensors").put("tensors", JSONArray(listed)))
        it.put("selftest", JSONObject().put("sqnr_db", 40))
    }

    @Test
    fun `takes tensors that are no logits, which do not classify`() {
        val manifest = Manifest.parse(tensors(listOf(1, 4), listOf(1, 2, 3), listOf(7)))
        val shapes = listOf(listOf(1, 4), listOf(1, 2, 3), listOf(7))
        val wanted = shapes.mapIndexed { number, shape -> TensorContract("t$number", shape) }
        assertEquals(TensorsContract(wanted), manifest.output)
        assertEquals(4 + 6 + 7, manifest.output.elements)
        assertEquals(PassMark(40.0, null), manifest.passMark)
        val refused = assertThrows(ArtifactException::class.java) { manifest.logits() }
        assertTrue("does not classify" in refused.what)
    }

    @Test
    fun `refuses tensors without a shape, or larger than a buffer`() {
        assertTrue("output.tensors is empty" in refusal(tensors()))
        assertTrue("output.tensors[1].shape is empty" in refusal(tensors(listOf(1), emptyList())))
        assertTrue("output.tensors[0].shape[1]" in refusal(tensors(listOf(1, "4"))))
        val large = List(12) { 32768 }
        assertTrue("output.tensors has more than" in refusal(tensors(large)))
        assertTrue("output.tensors has more than" in refusal(tensors(listOf(8192, 8192), listOf(1))))
    }

    @Test
    fun `names the field that is wrong`() {
        val cases = Golden.list("wrong_fields.json")
        assertTrue(cases.size >= 200)
        for (case in cases) {
            val message = refusal(case.getString("manifest"))
            assertTrue(case.getString("field") in message, "$message lacks ${case.getString("field")}")
        }
    }

    @Test
    fun `two hundred manifests with mutated bytes end in a manifest or a clear refusal`() {
        val cases = Golden.list("mutated.json")
        assertTrue(cases.size >= 200)
        val refused = cases.count { case ->
            try {
                Manifest.parse(case.getString("manifest"))
                false
            } catch (_: ArtifactException) {
                true
            }
        }
        assertTrue(refused > cases.size / 4, "only $refused refused")
    }
}

/** A manifest of a model that takes two images at once. */
fun inBatchesOfTwo(text: String): String = JSONObject(text).also {
    it.getJSONObject("input").getJSONArray("shape").put(0, 2)
    it.getJSONObject("output").getJSONArray("shape").put(0, 2)
}.toString()
