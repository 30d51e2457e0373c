package edgeform.core

import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test

class PreprocessingTest {
    private val cases = Golden.list("preprocessing.json")

    @Test
    fun `crops and inputs have the bytes that Pillow and torch give`() {
        assertEquals(48, cases.size)
        for (case in cases) {
            val name = case.getString("name")
            val input = Manifest.parse(case.getString("manifest")).input
            val preprocessing = Preprocessing(input)
            val source = Golden.image(case, "source")
            val cropped = preprocessing.resizeAndCrop(source)
            assertArrayEquals(Golden.image(case, "cropped").bytes, cropped.bytes, name)
            val buffer = preprocessing.allocate()
            preprocessing.prepare(source, buffer)
            val values = FloatArray(input.elements).also { buffer.get(it) }
            assertArrayEquals(Golden.bytes(case.getString("input")), writeFloats(values), name)
        }
    }

    @Test
    fun `both interpolations, both directions and sides that differ are among the cases`() {
        val sizes = cases.map { case ->
            val input = Manifest.parse(case.getString("manifest")).input
            val source = Golden.image(case, "source")
            Triple(
                input.resize.interpolation,
                minOf(source.width, source.height) < input.resize.size,
                input.resize.height == input.resize.width,
            )
        }
        assertEquals(8, sizes.toSet().size)
    }

    @Test
    fun `a model that normalizes itself gets values from 0 to 1`() {
        val manifest = Golden.text("artifact/manifest.json").replace("\"caller\"", "\"model\"")
        val preprocessing = Preprocessing(Manifest.parse(manifest).input)
        val buffer = preprocessing.allocate()
        val grey = RgbImage(64, 64, ByteArray(3 * 64 * 64) { 51 })
        preprocessing.prepare(grey, buffer)
        assertEquals(0.2f, buffer.get(0))
    }

    @Test
    fun `every image of a batch is the same`() {
        val text = Golden.text("artifact/manifest.json")
        val batch = Manifest.parse(inBatchesOfTwo(text)).input
        val single = Preprocessing(Manifest.parse(text).input)
        val source = Golden.image(cases[0], "source")
        val one = single.allocate().also { single.prepare(source, it) }
        val two = Preprocessing(batch).let { both -> both.allocate().also { both.prepare(source, it) } }
        assertEquals(2 * one.capacity(), two.capacity())
        for (index in 0 until one.capacity()) {
            assertEquals(one.get(index), two.get(index))
            assertEquals(one.get(index), two.get(one.capacity() + index))
        }
    }

    @Test
    fun `the eight orientations are turned as Pillow turns them`() {
        val cases = Golden.list("orientations.json")
        assertEquals((1..8).toList(), cases.map { it.getInt("orientation") })
        for (case in cases) {
            val turned = Golden.image(case, "source").upright(case.getInt("orientation"))
            val expected = Golden.image(case, "upright")
            assertEquals(expected.width, turned.width)
            assertArrayEquals(expected.bytes, turned.bytes)
        }
    }

    @Test
    fun `every colour at every transparency goes over black as in Pillow`() {
        val pixels = IntArray(256 * 256) { (it / 256 shl 24) or (it % 256 * 0x010101) }
        val image = RgbImage.fromArgb(256, 256, pixels)
        assertArrayEquals(Golden.bytes("over_black.rgb"), image.bytes)
    }
}
