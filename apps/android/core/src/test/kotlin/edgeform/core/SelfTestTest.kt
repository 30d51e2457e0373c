package edgeform.core

import org.json.JSONArray
import org.json.JSONObject
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class SelfTestTest {
    private val cases = Golden.list("agreement.json")

    private fun found(case: JSONObject): List<Agreement> {
        val output = LogitsContract(case.getInt("batch"), case.getInt("classes"), case.getInt("heads"))
        val (expected, actual) = listOf("expected", "actual").map { name ->
            val samples = case.getJSONArray(name)
            List(samples.length()) { logits(samples.getJSONArray(it)) }
        }
        return compare(expected, actual, output)
    }

    private fun logits(values: JSONArray) =
        FloatArray(values.length()) { if (values.isNull(it)) Float.NaN else values.getDouble(it).toFloat() }

    @Test
    fun `each head's figures are the definition's`() {
        val judged = cases.filter { it.has("found") }
        assertEquals(19, judged.size)
        for (case in judged) {
            val mark = case.getJSONObject("mark").let { PassMark(it.getDouble("sqnr_db"), it.getDouble("top1")) }
            val wanted = case.getJSONArray("found").objects()
            val heads = found(case)
            assertEquals(wanted.size, heads.size)
            for ((want, head) in wanted.zip(heads)) {
                assertEquals(want.getDouble("sqnr_db"), head.sqnrDb, 1e-9)
                assertEquals(want.getDouble("top1"), head.classes!!.top1, 1e-12)
                assertEquals(want.getDouble("constant_agreement"), head.classes!!.constant, 1e-12)
                assertEquals(want.getBoolean("judged"), head.classes!!.judged(mark))
                assertEquals(want.getBoolean("passes"), head.passes(mark))
            }
        }
    }

    @Test
    fun `what tells nothing is refused with a reason`() {
        val refused = cases.filter { it.has("refused") }
        assertEquals(3, refused.size)
        for (case in refused) {
            val error = assertThrows(ArtifactException::class.java) { found(case) }
            assertTrue(case.getString("refused") in error.what, error.what)
        }
    }

    @Test
    fun `logits of another size are refused`() {
        val output = LogitsContract(batch = 1, classes = 2, heads = 1)
        val fine = listOf(floatArrayOf(1f, 2f), floatArrayOf(2f, 1f))
        for (other in listOf(fine.take(1), fine + fine, fine.map { it.copyOf(1) })) {
            val error = assertThrows(ArtifactException::class.java) { compare(fine, other, output) }
            assertTrue("another size" in error.what)
        }
    }

    @Test
    fun `the pass mark needs both figures`() {
        val mark = PassMark(sqnrDb = 40.0, top1 = 0.9)
        fun found(sqnrDb: Double, top1: Double, constant: Double) = Agreement(sqnrDb, ClassAgreement(top1, constant))
        assertTrue(found(40.0, 0.9, 0.2).passes(mark))
        assertTrue(!found(39.9, 1.0, 0.2).passes(mark))
        assertTrue(!found(99.0, 0.89, 0.2).passes(mark))
        assertTrue(found(99.0, 0.89, 0.9).passes(mark))
    }

    @Test
    fun `each tensor is judged on its own, without classes`() {
        val tensors = Golden.list("tensors_agreement.json")
        assertTrue(tensors.size > 5)
        for (case in tensors) {
            val output = TensorsContract(
                case.getJSONArray("tensors").objects().map { TensorContract(it.getString("name"), shape(it)) },
            )
            val (expected, actual) = listOf("expected", "actual").map { name ->
                val samples = case.getJSONArray(name)
                List(samples.length()) { logits(samples.getJSONArray(it)) }
            }
            if (case.has("refused")) {
                val error = assertThrows(ArtifactException::class.java) { compare(expected, actual, output) }
                assertTrue(case.getString("refused") in error.what, error.what)
                continue
            }
            val mark = PassMark(case.getJSONObject("mark").getDouble("sqnr_db"), top1 = null)
            val found = compare(expected, actual, output)
            val wanted = case.getJSONArray("found").objects()
            assertEquals(wanted.size, found.size)
            for ((want, tensor) in wanted.zip(found)) {
                assertEquals(want.getDouble("sqnr_db"), tensor.sqnrDb, 1e-9)
                assertEquals(null, tensor.classes)
                assertEquals(want.getBoolean("passes"), tensor.passes(mark))
            }
        }
    }

    private fun shape(tensor: JSONObject) = tensor.getJSONArray("shape").let { List(it.length(), it::getInt) }
}
