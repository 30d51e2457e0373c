package edgeform.app

import android.app.Activity
import android.graphics.Bitmap
import android.graphics.Canvas
import android.view.View
import android.view.ViewGroup
import android.widget.TextView
import java.io.File
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

const val PHONE = "w360dp-h640dp-xhdpi"

/** A screen in the framework of Android 14, drawn by its own graphics. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34], application = TestApplication::class, qualifiers = PHONE)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
abstract class ScreenTest {
    protected val app get() = RuntimeEnvironment.getApplication() as TestApplication

    protected fun Activity.text(id: Int): String = findViewById<TextView>(id).text.toString()

    protected fun Activity.press(id: Int) {
        val view = findViewById<View>(id)
        check(view.isEnabled) { "${view.resources.getResourceName(id)} cannot be pressed" }
        view.performClick()
    }

    protected fun Activity.rows(id: Int): List<View> =
        findViewById<ViewGroup>(id).let { group -> List(group.childCount, group::getChildAt) }

    /** All texts of a view and those in it. */
    protected fun texts(view: View): List<String> = when (view) {
        is TextView -> listOf(view.text.toString())
        is ViewGroup -> List(view.childCount) { texts(view.getChildAt(it)) }.flatten()
        else -> emptyList()
    }

    /** Draws the screen as the phone would show it. */
    protected fun Activity.picture(): Bitmap {
        val view = window.decorView
        val metrics = resources.displayMetrics
        view.measure(
            View.MeasureSpec.makeMeasureSpec(metrics.widthPixels, View.MeasureSpec.EXACTLY),
            View.MeasureSpec.makeMeasureSpec(metrics.heightPixels, View.MeasureSpec.EXACTLY),
        )
        view.layout(0, 0, metrics.widthPixels, metrics.heightPixels)
        val bitmap = Bitmap.createBitmap(view.width, view.height, Bitmap.Config.ARGB_8888)
        view.draw(Canvas(bitmap))
        return bitmap
    }

    protected fun Activity.store(name: String) {
        val folder = File(WRITTEN, "screens").also { it.mkdirs() }
        File(folder, "$name.png").outputStream().use {
            picture().compress(Bitmap.CompressFormat.PNG, 100, it)
        }
    }
}
