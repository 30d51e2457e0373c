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
        val output = TensorsContract(listOf(TensorContract("a", listOf(1, 2)), TensorContract("b", listOf(1))))
        val expected = listOf(floatArrayOf(1f, 0f, 5f), floatArrayOf(3f, 0f, 7f))
        val actual = listOf(floatArrayOf(1.1f, 0f, 5f), floatArrayOf(3.1f, 0f, 7f))
        val (first, second) = compare(expected, actual, output)
        assertEquals(20.0, first.sqnrDb, 1e-4) // 2 / 0.02
        assertEquals(Agreement(200.0, classes = null), second)
        val mark = PassMark(sqnrDb = 40.0, top1 = null)
        assertEquals(listOf(false, true), listOf(first, second).map { it.passes(mark) })
    }
}
