package edgeform.app

import android.app.Activity
import android.view.View
import edgeform.core.Artifact
import edgeform.core.ClassifierException
import java.io.File
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Robolectric

/** The first start after one that ended in a load. */
class InterruptedTest : ScreenTest() {
    private val artifact by lazy { Artifact.open(app.push("digits")) }

    private fun opened(): Activity {
        File(app.filesDir, "loading").writeText("${artifact.manifest.name}\n${artifact.modelSha256}\n")
        return Robolectric.buildActivity(ClassifyActivity::class.java).setup().get()
    }

    private fun Activity.notice(): Int = findViewById<View>(R.id.interrupted).visibility

    @Test
    fun `the artifact is named and can be left out`() {
        val activity = opened()
        assertEquals(View.VISIBLE, activity.notice())
        assertTrue(artifact.manifest.name in activity.text(R.id.interrupted_text))
        activity.press(R.id.leave_out)
        assertEquals(View.GONE, activity.notice())
        activity.press(R.id.sample)
        await("the refusal") { app.classify.state is ClassifyState.Failed }
        assertTrue("is left out" in activity.text(R.id.status))
        assertEquals(0, app.standIn.loads)
    }

    @Test
    fun `or loaded again`() {
        val activity = opened()
        activity.press(R.id.try_again)
        assertEquals(View.GONE, activity.notice())
        activity.press(R.id.sample)
        await("the result") { app.classify.state is ClassifyState.Done }
    }

    @Test
    fun `every screen asks until there is an answer, and a load waits for none`() {
        val first = opened()
        first.press(R.id.sample)
        await("the result") { app.classify.state is ClassifyState.Done }
        val second = Robolectric.buildActivity(SelfTestActivity::class.java).setup().get()
        assertEquals(View.VISIBLE, second.notice())
        second.press(R.id.leave_out)
        assertThrows(ClassifierException::class.java) { app.loader.load(artifact, 1) }
    }

    @Test
    fun `after a start that ended well nothing is asked`() {
        val activity = Robolectric.buildActivity(ClassifyActivity::class.java).setup().get()
        assertEquals(View.GONE, activity.notice())
    }
}
