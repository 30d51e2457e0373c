package edgeform.app

import android.app.Activity
import android.content.Intent
import android.os.Bundle
import android.view.View
import android.widget.ArrayAdapter
import android.widget.LinearLayout
import android.widget.Spinner
import android.widget.TextView

/** A screen: the tabs, one layout below them, and the application's [work] that it shows. */
abstract class ScreenActivity<S : Any>(private val layout: Int) : Activity() {
    protected val app: SampleApplication get() = application as SampleApplication
    protected abstract val work: Work<S>

    protected abstract fun show(state: S)

    override fun onCreate(saved: Bundle?) {
        super.onCreate(saved)
        setContentView(R.layout.screen)
        layoutInflater.inflate(layout, findViewById<LinearLayout>(R.id.content))
        tab(R.id.tab_classify, ClassifyActivity::class.java)
        tab(R.id.tab_camera, CameraActivity::class.java)
        tab(R.id.tab_self_test, SelfTestActivity::class.java)
        tab(R.id.tab_benchmark, BenchmarkActivity::class.java)
    }

    override fun onStart() {
        super.onStart()
        showInterrupted()
        work.observe(::show)
    }

    override fun onStop() {
        work.leave()
        super.onStop()
    }

    /** Tells of an artifact in whose loading the app ended, until the user has answered. */
    private fun showInterrupted() {
        val notice = findViewById<View>(R.id.interrupted)
        val interrupted = app.mark.interrupted
        notice.visibility = if (interrupted == null) View.GONE else View.VISIBLE
        if (interrupted == null) return
        findViewById<TextView>(R.id.interrupted_text).text = getString(R.string.interrupted, interrupted.name)
        answer(R.id.leave_out) { app.mark.leaveOut() }
        answer(R.id.try_again) { app.mark.tryAgain() }
    }

    private fun answer(button: Int, action: () -> Unit) = findViewById<View>(button).setOnClickListener {
        action()
        showInterrupted()
    }

    private fun tab(id: Int, screen: Class<out Activity>) {
        val button = findViewById<View>(id)
        button.isSelected = screen == javaClass
        button.setOnClickListener {
            if (screen != javaClass) {
                startActivity(Intent(this, screen).addFlags(Intent.FLAG_ACTIVITY_REORDER_TO_FRONT))
            }
        }
    }

    /** Fills the list of artifacts; the chosen one survives a rotation. */
    protected fun listArtifacts(): Spinner {
        val spinner = findViewById<Spinner>(R.id.artifact)
        val names = ArrayAdapter(this, android.R.layout.simple_spinner_item, app.store.names())
        names.setDropDownViewResource(android.R.layout.simple_spinner_dropdown_item)
        spinner.adapter = names
        return spinner
    }

    /** The chosen artifact's name, null where there is none. */
    protected fun chosenArtifact(): String? =
        findViewById<Spinner>(R.id.artifact).selectedItem as String?
}
