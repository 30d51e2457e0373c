package edgeform.core

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class LogitsTest {
    @Test
    fun `the top classes are torch's`() {
        val cases = Golden.list("top_classes.json")
        assertEquals(4, cases.size)
        for (case in cases) {
            val output = OutputContract(case.getInt("batch"), case.getInt("classes"), case.getInt("heads"))
            val found = topClasses(case.getJSONArray("logits").floats(), output)
            val indices = case.getJSONArray("indices")
            assertEquals(List(indices.length()) { indices.getInt(it) }, found.map { it.index })
            val expected = case.getJSONArray("probabilities").doubles()
            for ((probability, prediction) in expected.zip(found.map { it.probability })) {
                assertEquals(probability, prediction, 1e-12)
            }
        }
    }

    @Test
    fun `large logits do not overflow`() {
        assertEquals(listOf(1.0, 0.0), softmax(doubleArrayOf(1e4, -1e4)).toList())
    }

    @Test
    fun `agreement is what the parity report computes`() {
        val cases = Golden.list("agreement.json")
        assertEquals(6, cases.size)
        for (case in cases) {
            val classes = case.getInt("classes")
            val (expected, actual) = listOf("expected", "actual").map { name ->
                val rows = case.getJSONArray(name)
                List(rows.length()) { rows.getJSONArray(it).floats() }
            }
            val found = compare(expected, actual, classes)
            assertEquals(case.getDouble("sqnr_db"), found.sqnrDb, 1e-9)
            assertEquals(case.getDouble("top1"), found.top1, 1e-12)
        }
    }

    @Test
    fun `the pass mark needs both figures`() {
        val mark = PassMark(sqnrDb = 40.0, top1 = 0.9)
        assertTrue(Agreement(40.0, 0.9).passes(mark))
        assertTrue(!Agreement(39.9, 1.0).passes(mark))
        assertTrue(!Agreement(99.0, 0.89).passes(mark))
    }

    @Test
    fun `what cannot be compared is refused with a reason`() {
        val fine = listOf(floatArrayOf(1f, 2f))
        fun reason(expected: List<FloatArray>, actual: List<FloatArray>) =
            assertThrows(IllegalArgumentException::class.java) { compare(expected, actual, 2) }.message!!
        assertTrue("no samples" in reason(emptyList(), emptyList()))
        assertTrue("size" in reason(fine, listOf(floatArrayOf(1f))))
        assertTrue("size" in reason(fine, fine + fine))
        assertTrue("NaN" in reason(fine, listOf(floatArrayOf(1f, Float.NaN))))
        assertTrue("NaN" in reason(listOf(floatArrayOf(1f, Float.POSITIVE_INFINITY)), fine))
        assertTrue("zero" in reason(listOf(floatArrayOf(0f, 0f)), fine))
    }
}
