package edgeform.app

import android.app.Activity
import android.content.Intent
import android.net.Uri
import android.os.Build
import android.os.Bundle
import android.provider.MediaStore
import android.view.View
import android.widget.ImageView
import android.widget.TextView
import edgeform.core.Artifact
import edgeform.core.ArtifactException
import edgeform.core.Preprocessing
import edgeform.core.RgbImage
import edgeform.core.topClasses
import java.io.File

sealed interface ClassifyState {
    data object Idle : ClassifyState
    data object Working : ClassifyState
    data class Failed(val problem: Problem) : ClassifyState

    /** [predictions] best first; [times] in milliseconds. */
    class Done(
        val image: RgbImage, val predictions: List<Named>, val times: List<Double>,
    ) : ClassifyState
}

/** A photo, or the image that came with the artifact, and its five most probable classes. */
class ClassifyActivity : ScreenActivity<ClassifyState>(R.layout.classify) {
    override val work get() = app.classify

    override fun onCreate(saved: Bundle?) {
        super.onCreate(saved)
        listArtifacts()
        findViewById<View>(R.id.photo).setOnClickListener { choosePhoto() }
        findViewById<View>(R.id.sample).setOnClickListener { classify(::sampleImage) }
    }

    private fun choosePhoto() {
        val picker = if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU) {
            Intent(MediaStore.ACTION_PICK_IMAGES)
        } else {
            Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE)
        }
        startActivityForResult(picker.setType("image/*"), PHOTO)
    }

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        super.onActivityResult(request, result, data)
        val photo = data?.data
        if (request == PHOTO && result == Activity.RESULT_OK && photo != null) {
            classify { read(photo) }
        }
    }

    private fun read(photo: Uri): ByteArray =
        app.contentResolver.openInputStream(photo)?.use { it.readBytes() }
            ?: throw ArtifactException("The photo cannot be opened.", "Choose another.")

    private fun classify(source: (Artifact) -> ByteArray) {
        val name = chosenArtifact() ?: return
        val app = app // the activity may be gone when the job runs
        work.start { progress ->
            progress.publish(ClassifyState.Working)
            val artifact = app.store.open(name)
            classified(app, artifact, decodePhoto(source(artifact)))
        }
    }

    override fun show(state: ClassifyState) {
        val free = state != ClassifyState.Working && chosenArtifact() != null
        listOf(R.id.photo, R.id.sample).forEach { findViewById<View>(it).isEnabled = free }
        findViewById<TextView>(R.id.status).text = status(state)
        val done = state as? ClassifyState.Done
        findViewById<ImageView>(R.id.image).apply {
            visibility = if (done == null) View.GONE else View.VISIBLE
            setImageBitmap(done?.image?.toBitmap())
        }
        showPredictions(done?.predictions.orEmpty())
    }

    private fun status(state: ClassifyState): String = when (state) {
        is ClassifyState.Failed -> state.problem.toString()
        is ClassifyState.Done -> {
            val (preprocess, execute, postprocess) = state.times
            getString(R.string.times, preprocess, execute, postprocess)
        }

        ClassifyState.Working -> getString(R.string.working)
        ClassifyState.Idle -> getString(
            if (chosenArtifact() == null) R.string.no_artifacts else R.string.classify_hint,
        )
    }

    private companion object {
        const val PHOTO = 1
    }
}

private fun sampleImage(artifact: Artifact): ByteArray {
    val image = File(artifact.folder, "golden/image_0.png")
    if (!image.isFile) {
        throw ArtifactException("The artifact came without its golden images.", "Choose a photo.")
    }
    return image.readBytes()
}

private fun classified(app: SampleApplication, artifact: Artifact, image: RgbImage): ClassifyState {
    val preprocessing = Preprocessing(artifact.manifest.input)
    val output = artifact.manifest.logits()
    return app.loader.load(artifact, defaultThreads()).use { classifier ->
        val input = preprocessing.allocate()
        val start = System.nanoTime()
        preprocessing.prepare(image, input)
        val prepared = System.nanoTime()
        val logits = classifier.run(input)
        val executed = System.nanoTime()
        val predictions = topClasses(logits, output)
        val end = System.nanoTime()
        ClassifyState.Done(
            image = image,
            predictions = predictions.map { Named(artifact.label(it.index), it.probability) },
            times = listOf(prepared - start, executed - prepared, end - executed).map { it / 1e6 },
        )
    }
}

/** Half of the cores: on most phones the fast ones. */
fun defaultThreads(): Int = maxOf(1, Runtime.getRuntime().availableProcessors() / 2)
