package edgeform.core

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test

class StatisticsTest {
    @Test
    fun `percentiles are numpy's`() {
        val cases = Golden.list("statistics.json")
        assertEquals(50, cases.size)
        for (case in cases) {
            val found = Statistics.of(case.getJSONArray("samples").doubles())
            assertEquals(case.getDouble("p50"), found.p50)
            assertEquals(case.getDouble("p90"), found.p90)
            assertEquals(case.getDouble("p99"), found.p99)
            assertEquals(case.getDouble("mean"), found.mean, 1e-12 * found.mean)
            assertEquals(case.getDouble("min"), found.min)
        }
    }

    @Test
    fun `no samples have no statistics`() {
        assertThrows(IllegalArgumentException::class.java) { Statistics.of(doubleArrayOf()) }
    }
}
