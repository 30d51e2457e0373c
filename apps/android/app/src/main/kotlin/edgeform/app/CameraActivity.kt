package edgeform.app

import android.Manifest
import android.content.pm.PackageManager
import android.os.Bundle
import android.view.Surface
import android.view.View
import android.widget.EditText
import android.widget.ImageView
import android.widget.TextView
import edgeform.core.Artifact
import edgeform.core.Classifier
import edgeform.core.Preprocessing
import edgeform.core.RgbImage
import edgeform.core.topClasses
import edgeform.core.turned

private const val DEFAULT_RATE = 5
private const val MOST_RATE = 30

sealed interface CameraState {
    data object Idle : CameraState
    data object Opening : CameraState
    data class Failed(val problem: Problem) : CameraState

    /** The newest classified frame, upright; [times] in milliseconds: convert, prepare, execute, rank. */
    class Running(val image: RgbImage, val predictions: List<Named>, val times: List<Double>) : CameraState
}

/** The camera's frames, classified at a chosen rate while the screen is there. */
class CameraActivity : ScreenActivity<CameraState>(R.layout.camera) {
    override val work get() = app.camera

    override fun onCreate(saved: Bundle?) {
        super.onCreate(saved)
        listArtifacts()
        if (saved == null) findViewById<EditText>(R.id.rate).setText("$DEFAULT_RATE")
        findViewById<View>(R.id.start).setOnClickListener { start() }
        findViewById<View>(R.id.stop).setOnClickListener { work.cancel() }
    }

    override fun onStart() {
        super.onStart()
        app.displayDegrees = displayDegrees()
    }

    override fun onStop() {
        if (!isChangingConfigurations) work.cancel() // the camera is not for what nobody sees
        super.onStop()
    }

    @Suppress("DEPRECATION") // its successor needs API 30
    private fun displayDegrees(): Int = when (windowManager.defaultDisplay.rotation) {
        Surface.ROTATION_90 -> 90
        Surface.ROTATION_180 -> 180
        Surface.ROTATION_270 -> 270
        else -> 0
    }

    private fun start() {
        if (checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED) {
            run()
        } else {
            requestPermissions(arrayOf(Manifest.permission.CAMERA), PERMISSION)
        }
    }

    override fun onRequestPermissionsResult(request: Int, permissions: Array<String>, results: IntArray) {
        super.onRequestPermissionsResult(request, permissions, results)
        if (request != PERMISSION || results.isEmpty()) return // cancelled: nothing was answered
        if (results[0] == PackageManager.PERMISSION_GRANTED) {
            run()
        } else {
            val denied = Problem(getString(R.string.camera_denied), getString(R.string.camera_allow))
            work.start { CameraState.Failed(denied) }
        }
    }

    private fun run() {
        val name = chosenArtifact() ?: return
        val field = findViewById<EditText>(R.id.rate)
        val rate = field.text.toString().toIntOrNull()
        if (rate == null || rate !in 1..MOST_RATE) {
            field.error = getString(R.string.wrong_number, getString(R.string.rate), MOST_RATE)
            return
        }
        val app = app
        work.start { progress -> classifyFrames(app, name, rate, progress) }
    }

    override fun show(state: CameraState) {
        val busy = state is CameraState.Running || state == CameraState.Opening
        findViewById<View>(R.id.start).isEnabled = !busy && chosenArtifact() != null
        findViewById<View>(R.id.stop).isEnabled = busy
        findViewById<TextView>(R.id.status).text = status(state)
        val running = state as? CameraState.Running
        findViewById<ImageView>(R.id.image).apply {
            visibility = if (running == null) View.GONE else View.VISIBLE
            setImageBitmap(running?.image?.toBitmap())
        }
        showPredictions(running?.predictions.orEmpty())
    }

    private fun status(state: CameraState): String = when (state) {
        is CameraState.Failed -> state.problem.toString()
        is CameraState.Running -> {
            val (convert, preprocess, execute, postprocess) = state.times
            getString(R.string.camera_times, state.times.sum(), convert, preprocess, execute, postprocess)
        }

        CameraState.Opening -> getString(R.string.working)
        CameraState.Idle -> getString(
            if (chosenArtifact() == null) R.string.no_artifacts else R.string.camera_hint,
        )
    }

    private companion object {
        const val PERMISSION = 2
    }
}

/** Classifies the newest frame [rate] times a second, or as often as the phone can, until cancelled. */
private fun classifyFrames(
    app: SampleApplication, name: String, rate: Int, progress: Progress<CameraState>,
): CameraState {
    progress.publish(CameraState.Opening)
    val artifact = app.store.open(name)
    app.loader.load(artifact, defaultThreads()).use { classifier ->
        app.openCamera().use { camera ->
            val frames = FrameClassifier(artifact, classifier)
            val pace = Pace(rate)
            while (!progress.cancelled()) {
                progress.publish(frames.classified(camera, app.displayDegrees))
                Thread.sleep(pace.next())
            }
        }
    }
    return CameraState.Idle
}

private class FrameClassifier(private val artifact: Artifact, private val classifier: Classifier) {
    private val preprocessing = Preprocessing(artifact.manifest.input)
    private val output = artifact.manifest.logits()
    private val input = preprocessing.allocate()

    fun classified(camera: FrameSource, display: Int): CameraState.Running {
        val times = ArrayList<Double>()
        fun <T> timed(step: () -> T): T {
            val start = System.nanoTime()
            return step().also { times += (System.nanoTime() - start) / 1e6 }
        }
        val degrees = camera.degrees(display)
        // waiting for the frame is no part of its latency
        val upright = camera.newest { frame -> timed { frame.toRgb().turned(degrees) } }
        timed { preprocessing.prepare(upright, input) }
        val logits = timed { classifier.run(input) }
        val best = timed { topClasses(logits, output) }
        return CameraState.Running(upright, best.map { Named(artifact.label(it.index), it.probability) }, times)
    }
}
