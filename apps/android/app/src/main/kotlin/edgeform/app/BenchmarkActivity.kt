package edgeform.app

import android.content.Intent
import android.os.Bundle
import android.view.View
import android.widget.EditText
import android.widget.LinearLayout
import android.widget.ProgressBar
import android.widget.TextView
import edgeform.core.BenchmarkPlan
import edgeform.core.Statistics

sealed interface BenchmarkState {
    data object Idle : BenchmarkState
    data class Running(val done: Int, val all: Int) : BenchmarkState
    data class Done(val result: BenchmarkResult) : BenchmarkState
    data object Cancelled : BenchmarkState
    data class Failed(val problem: Problem) : BenchmarkState
}

/**
 * Times an artifact on this phone. With the extras of [RemoteRuns] it starts by itself and leaves
 * the report for edgeform.
 */
class BenchmarkActivity : ScreenActivity<BenchmarkState>(R.layout.benchmark) {
    override val work get() = app.benchmark

    override fun onCreate(saved: Bundle?) {
        super.onCreate(saved)
        listArtifacts()
        if (saved == null) {
            field(R.id.threads).setText("${defaultThreads()}")
            field(R.id.iterations).setText("$DEFAULT_ITERATIONS")
        }
        findViewById<View>(R.id.start).setOnClickListener { start() }
        findViewById<View>(R.id.cancel).setOnClickListener { work.cancel() }
        findViewById<View>(R.id.share).setOnClickListener { share() }
        if (saved == null) startRemote(intent)
    }

    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        startRemote(intent)
    }

    private fun field(id: Int): EditText = findViewById(id)

    private fun start() {
        val name = chosenArtifact() ?: return
        val threads = number(R.id.threads, R.string.threads, MOST_THREADS) ?: return
        val iterations = number(R.id.iterations, R.string.iterations, MOST_ITERATIONS) ?: return
        val plan = BenchmarkPlan(threads, warmUp = iterations / 10 + 1, iterations)
        val app = app
        work.start { progress -> measure(app, name, plan, progress) }
    }

    /** What a field holds; null, and the field says so, where it is no number from 1 to [most]. */
    private fun number(id: Int, name: Int, most: Int): Int? {
        val value = field(id).text.toString().toIntOrNull()
        if (value in 1..most) return value
        field(id).error = getString(R.string.wrong_number, getString(name), most)
        return null
    }

    private fun startRemote(intent: Intent) {
        val request = RemoteRequest.of(intent) ?: return
        val app = app
        work.start { progress ->
            var last: BenchmarkState = BenchmarkState.Idle
            val problem = app.remoteRuns.answer(request) { last = it.measured(app, progress) }
            problem?.let(BenchmarkState::Failed) ?: last
        }
    }

    private fun share() {
        val report = (work.state as? BenchmarkState.Done)?.result?.report ?: return
        val send = Intent(Intent.ACTION_SEND)
            .setType("application/json")
            .putExtra(Intent.EXTRA_SUBJECT, "latency.json")
            .putExtra(Intent.EXTRA_TEXT, report.toJson())
        startActivity(Intent.createChooser(send, null))
    }

    override fun show(state: BenchmarkState) {
        val running = state as? BenchmarkState.Running
        val done = (state as? BenchmarkState.Done)?.result
        findViewById<View>(R.id.start).isEnabled = running == null && chosenArtifact() != null
        findViewById<View>(R.id.cancel).isEnabled = running != null
        findViewById<View>(R.id.share).isEnabled = done != null
        findViewById<ProgressBar>(R.id.progress).apply {
            visibility = if (running == null) View.GONE else View.VISIBLE
            max = running?.all ?: 1
            progress = running?.done ?: 0
        }
        findViewById<TextView>(R.id.status).text = status(state)
        findViewById<TextView>(R.id.condition).text = done?.let(::condition).orEmpty()
        val table = findViewById<LinearLayout>(R.id.table)
        table.removeAllViews()
        if (done != null) fill(table, done)
    }

    private fun status(state: BenchmarkState): String = when (state) {
        is BenchmarkState.Failed -> state.problem.toString()
        is BenchmarkState.Running -> getString(R.string.progress, state.done, state.all)
        is BenchmarkState.Done -> {
            val measured = state.result.report.measurements
            val times = getString(R.string.loaded, measured.loadMs, measured.firstMs)
            if (!measured.interrupted) times
            else "${getString(R.string.cut_short, measured.total.size)}\n$times"
        }

        BenchmarkState.Cancelled -> getString(R.string.nothing_measured)
        BenchmarkState.Idle -> getString(
            if (chosenArtifact() == null) R.string.no_artifacts else R.string.benchmark_hint,
        )
    }

    private fun condition(result: BenchmarkResult): String {
        fun known(text: String?) = text ?: getString(R.string.unknown)
        fun charge(percent: Int?) = known(percent?.let { getString(R.string.battery, it) })
        val thermal = result.report.thermal
        return getString(
            R.string.condition,
            known(thermal?.start),
            known(thermal?.end),
            charge(result.batteryBefore),
            charge(result.batteryAfter),
        )
    }

    private fun fill(table: LinearLayout, result: BenchmarkResult) {
        val header = listOf(R.string.phase, R.string.p50, R.string.p90, R.string.p99)
        table.addView(row(table, header.map(::getString)))
        val measured = result.report.measurements
        val phases = listOf(
            R.string.preprocess to measured.preprocess,
            R.string.execute to measured.execute,
            R.string.postprocess to measured.postprocess,
            R.string.total to measured.total,
        )
        for ((name, samples) in phases) {
            val times = Statistics.of(samples)
            val shown = listOf(times.p50, times.p90, times.p99)
            val cells = shown.map { getString(R.string.milliseconds, it) }
            val row = row(table, listOf(getString(name)) + cells)
            row.contentDescription =
                getString(R.string.phase_spoken, getString(name), times.p50, times.p90, times.p99)
            table.addView(row)
        }
    }

    private fun row(table: LinearLayout, cells: List<String>): View {
        val row = layoutInflater.inflate(R.layout.phase, table, false)
        listOf(R.id.phase, R.id.p50, R.id.p90, R.id.p99).zip(cells).forEach { (id, text) ->
            row.findViewById<TextView>(id).text = text
        }
        return row
    }
}

private const val DEFAULT_ITERATIONS = 50
private const val MOST_THREADS = 32
private const val MOST_ITERATIONS = 1000 // a report is shared as one text
