package edgeform.core

import java.io.File
import java.nio.FloatBuffer
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

private const val MILLISECOND = 1_000_000L

class BenchmarkTest {
    private val artifact = Artifact.open(Golden.artifact)
    private val image = RgbImage(80, 70, ByteArray(3 * 80 * 70) { it.toByte() })
    private var now = 0L
    private var runs = 0
    private var closed = 0

    /** Takes 5 ms to load, then 10 ms for the first run and 2 ms more for each run after it. */
    private val loader = ClassifierLoader { _, threads ->
        assertEquals(4, threads)
        now += 5 * MILLISECOND
        object : Classifier {
            override fun run(input: FloatBuffer): FloatArray {
                assertTrue(input.isDirect)
                assertEquals(artifact.manifest.input.elements, input.capacity())
                now += (10 + 2 * runs++) * MILLISECOND
                return FloatArray(10) { it.toFloat() }
            }

            override fun close() {
                closed++
            }
        }
    }

    /** Each look at the clock takes 1 ms. */
    private val benchmark = Benchmark(artifact, image, loader) { now.also { now += MILLISECOND } }
    private val plan = BenchmarkPlan(threads = 4, warmUp = 2, iterations = 3)

    @Test
    fun `every phase of every run after the warm-up is measured`() {
        val steps = ArrayList<Pair<Int, Int>>()
        val measured = benchmark.run(plan, { done, all -> steps += done to all }, { false })!!
        assertEquals((0..5).map { it to 5 }, steps)
        assertEquals(6.0, measured.loadMs)
        assertEquals(11.0, measured.firstMs)
        assertEquals(listOf(1.0, 1.0, 1.0), measured.preprocess.toList())
        assertEquals(listOf(17.0, 19.0, 21.0), measured.execute.toList())
        assertEquals(listOf(1.0, 1.0, 1.0), measured.postprocess.toList())
        assertEquals(listOf(19.0, 21.0, 23.0), measured.total.toList())
        assertFalse(measured.interrupted)
        assertEquals(1, closed)
    }

    @Test
    fun `a cancelled run keeps what was measured`() {
        val measured = benchmark.run(plan, { _, _ -> }, { runs == 5 })!!
        assertEquals(2, measured.total.size)
        assertTrue(measured.interrupted)
        assertEquals(1, closed)
    }

    @Test
    fun `nothing is left where it was cancelled before the first timed run`() {
        assertNull(benchmark.run(plan, { _, _ -> }, { runs == 3 }))
        assertEquals(1, closed)
    }

    @Test
    fun `a model that fails is closed`() {
        val failing = ClassifierLoader { loaded, threads ->
            val whole = loader.load(loaded, threads)
            object : Classifier by whole {
                override fun run(input: FloatBuffer): FloatArray = error("out of range")
            }
        }
        assertThrows(IllegalStateException::class.java) {
            Benchmark(artifact, image, failing).run(plan, { _, _ -> }, { false })
        }
        assertEquals(1, closed)
    }

    /** Left for the Python side, which reads it as `edgeform profile --import` does. */
    @Test
    fun `reports are written for the Python side`() {
        val whole = benchmark.run(plan, { _, _ -> }, { false })!!
        val device = Device("Test device", "Android 14 (34)", "made up", 8, "arm64-v8a", listOf("neon"))
        val written = File(Golden.folder, "written").also { it.mkdirs() }
        val thermal = Thermal("none", "light")
        val full = LatencyReport(
            artifact, image, plan, whole, device, "1.0", thermal, 1024, "2026-01-01T00:00:00Z",
        )
        File(written, "full.json").writeText(full.toJson())
        runs = 0
        val cut = benchmark.run(plan, { _, _ -> }, { runs == 4 })!!
        val bare = LatencyReport(artifact, image, plan, cut, device, "1.0", null, null, "2026-01-01")
        File(written, "bare.json").writeText(bare.toJson())
    }
}
