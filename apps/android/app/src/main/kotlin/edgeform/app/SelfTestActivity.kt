package edgeform.app

import android.content.Intent
import android.os.Bundle
import android.view.View
import android.widget.LinearLayout
import android.widget.TextView
import edgeform.core.Agreement
import edgeform.core.Artifact
import edgeform.core.PassMark
import edgeform.core.Preprocessing
import edgeform.core.compare

sealed interface SelfTestState {
    data object Idle : SelfTestState
    data class Running(val results: List<SelfTestResult>) : SelfTestState
    data class Done(val results: List<SelfTestResult>) : SelfTestState
    data class Failed(val problem: Problem) : SelfTestState
}

/** One artifact's self-test: each head's agreement and the pass mark, or what kept it from running. */
sealed interface SelfTestResult {
    val artifact: String

    data class Measured(
        override val artifact: String,
        val heads: List<Agreement>,
        val mark: PassMark,
    ) : SelfTestResult {
        val passed: Boolean get() = heads.all { it.passes(mark) }
    }

    data class Broken(override val artifact: String, val problem: Problem) : SelfTestResult
}

/**
 * Runs the golden inputs of every artifact and compares the logits with the expected ones. With the
 * extras of [RemoteRuns] it runs edgeform's inputs instead and leaves the logits for it.
 */
class SelfTestActivity : ScreenActivity<SelfTestState>(R.layout.self_test) {
    override val work get() = app.selfTest

    override fun onCreate(saved: Bundle?) {
        super.onCreate(saved)
        findViewById<View>(R.id.run).setOnClickListener {
            val app = app
            val names = app.store.names()
            work.start { progress -> testAll(app, names, progress) }
        }
        if (saved == null) startRemote(intent)
    }

    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        startRemote(intent)
    }

    private fun startRemote(intent: Intent) {
        val request = RemoteRequest.of(intent) ?: return
        val app = app
        work.start { progress ->
            progress.publish(SelfTestState.Running(emptyList()))
            val problem = app.remoteRuns.answer(request) { it.executed(app) }
            problem?.let(SelfTestState::Failed) ?: SelfTestState.Idle
        }
    }

    override fun show(state: SelfTestState) {
        val names = app.store.names()
        findViewById<View>(R.id.run).isEnabled =
            state !is SelfTestState.Running && names.isNotEmpty()
        findViewById<TextView>(R.id.status).text = when {
            state is SelfTestState.Failed -> state.problem.toString()
            state is SelfTestState.Running -> getString(R.string.working)
            names.isEmpty() -> getString(R.string.no_artifacts)
            else -> ""
        }
        val rows = findViewById<LinearLayout>(R.id.results)
        rows.removeAllViews()
        val results = when (state) {
            is SelfTestState.Running -> state.results
            is SelfTestState.Done -> state.results
            else -> emptyList()
        }
        results.forEach { rows.addView(row(it)) }
    }

    private fun row(result: SelfTestResult): View {
        val passed = result is SelfTestResult.Measured && result.passed
        val title = TextView(this, null, 0, R.style.Text)
        title.text = getString(if (passed) R.string.passed else R.string.failed)
        title.setTextColor(getColor(if (passed) R.color.good else R.color.bad))
        val detail = TextView(this, null, 0, R.style.Text_Quiet)
        detail.text = when (result) {
            is SelfTestResult.Broken ->
                getString(R.string.self_test_problem, result.artifact, result.problem)

            is SelfTestResult.Measured ->
                (listOf(result.artifact) + result.heads.map { figures(it, result.mark) }).joinToString("\n")
        }
        return LinearLayout(this).apply {
            orientation = LinearLayout.VERTICAL
            isFocusable = true // one stop of the screen reader
            addView(title)
            addView(detail)
        }
    }

    private fun figures(head: Agreement, mark: PassMark): String {
        val decibels = getString(R.string.self_test_decibels, head.sqnrDb, mark.sqnrDb)
        val classes = head.classes ?: return decibels
        val top1 = if (classes.judged(mark)) {
            getString(R.string.self_test_top1, classes.top1, mark.top1)
        } else {
            getString(R.string.self_test_one_class, classes.top1, classes.constant)
        }
        return "$decibels, $top1"
    }
}

private fun testAll(
    app: SampleApplication, names: List<String>, progress: Progress<SelfTestState>,
): SelfTestState {
    val results = ArrayList<SelfTestResult>()
    for (name in names) {
        progress.publish(SelfTestState.Running(results.toList()))
        results += test(app, name)
    }
    return SelfTestState.Done(results)
}

private fun test(app: SampleApplication, name: String): SelfTestResult = try {
    val artifact = app.store.open(name)
    val samples = artifact.manifest.goldenSamples
    val expected = List(samples, artifact::expectedLogits)
    val actual = ArrayList<FloatArray>()
    execute(app, artifact, samples, artifact::goldenInput) { _, logits -> actual += logits }
    val heads = compare(expected, actual, artifact.manifest.output)
    SelfTestResult.Measured(name, heads, artifact.manifest.passMark)
} catch (error: Exception) {
    SelfTestResult.Broken(name, Problem.of(error))
} catch (error: OutOfMemoryError) {
    SelfTestResult.Broken(name, Problem.of(error))
}

/** Runs [samples] inputs of the manifest's input shape, one after the other. */
fun execute(
    app: SampleApplication,
    artifact: Artifact,
    samples: Int,
    input: (Int) -> FloatArray,
    output: (Int, FloatArray) -> Unit,
) = app.loader.load(artifact, defaultThreads()).use { classifier ->
    val buffer = Preprocessing(artifact.manifest.input).allocate()
    for (sample in 0 until samples) {
        input(sample).forEachIndexed { at, value -> buffer.put(at, value) }
        output(sample, classifier.run(buffer))
    }
}
