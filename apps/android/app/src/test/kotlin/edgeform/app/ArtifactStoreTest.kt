package edgeform.app

import edgeform.core.ArtifactException
import edgeform.core.ClassifierException
import java.io.File
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config

private const val BUNDLED = "bundled" // in the assets of the tests: tests/apps/golden.py

/** The tests' application as it is, with the artifact in its assets. */
@Config(application = SampleApplication::class)
class ArtifactStoreTest : ScreenTest() {
    private val sample get() = RuntimeEnvironment.getApplication() as SampleApplication
    private val store get() = sample.store
    private val installed get() = File(sample.filesDir, "artifacts/$BUNDLED")
    private val pushed get() = File(sample.getExternalFilesDir(null), "artifacts")

    private fun push(name: String) = File(GOLDEN, "artifact").copyRecursively(File(pushed, name))

    @Test
    fun `bundled and pushed artifacts are listed, other files are not`() {
        push("another")
        File(pushed, ".hidden").mkdirs()
        assertEquals(listOf("another", BUNDLED), store.names())
        for (name in listOf("../artifacts/another", "absent", "")) {
            assertThrows(ArtifactException::class.java) { store.open(name) }
        }
    }

    @Test
    fun `a bundled artifact is copied out of the app once`() {
        val artifact = store.open(BUNDLED)
        assertEquals(installed, artifact.folder)
        assertTrue(artifact.hasGolden)
        val model = File(installed, "model.pte")
        model.setLastModified(1000)
        assertEquals(1000, store.open(BUNDLED).model.lastModified())
    }

    @Test
    fun `a copy that was cut short or is of an older app is made anew`() {
        store.open(BUNDLED)
        val manifest = File(installed, "manifest.json")
        for (damage in listOf<() -> Unit>({ manifest.delete() }, { manifest.appendText(" ") })) {
            damage()
            File(installed, "model.pte").delete()
            assertTrue(store.open(BUNDLED).model.isFile)
        }
    }

    @Test
    fun `a pushed artifact goes before a bundled one of its name`() {
        push(BUNDLED)
        assertEquals(File(pushed, BUNDLED), store.open(BUNDLED).folder)
        assertFalse(installed.exists())
    }

    @Test
    fun `the real runtime without its library says so`() {
        val artifact = store.open(BUNDLED)
        val refused = assertThrows(ClassifierException::class.java) { sample.loader.load(artifact, 1) }
        assertTrue(refused.what, "ExecuTorch's library cannot be used: " in refused.what)
    }
}
