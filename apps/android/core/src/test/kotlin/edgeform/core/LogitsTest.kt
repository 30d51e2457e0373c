package edgeform.core

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test

class LogitsTest {
    @Test
    fun `the top classes are torch's`() {
        val cases = Golden.list("top_classes.json")
        assertEquals(4, cases.size)
        for (case in cases) {
            val output = LogitsContract(case.getInt("batch"), case.getInt("classes"), case.getInt("heads"))
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
}
