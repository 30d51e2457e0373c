package edgeform.app

import android.app.Activity
import android.view.View
import android.widget.LinearLayout
import android.widget.ProgressBar
import android.widget.TextView

/** A class's name and its probability. */
class Named(val label: String, val probability: Double)

/** Fills the list of the screen, best first. */
fun Activity.showPredictions(predictions: List<Named>) {
    val rows = findViewById<LinearLayout>(R.id.predictions)
    rows.removeAllViews()
    predictions.forEach { rows.addView(row(rows, it)) }
}

private fun Activity.row(parent: LinearLayout, prediction: Named): View {
    val row = layoutInflater.inflate(R.layout.prediction, parent, false)
    val percent = 100 * prediction.probability
    row.contentDescription = getString(R.string.prediction, prediction.label, percent)
    row.findViewById<TextView>(R.id.label).text = prediction.label
    row.findViewById<TextView>(R.id.probability).text = getString(R.string.percent, percent)
    row.findViewById<ProgressBar>(R.id.bar).progress = (10 * percent).toInt()
    return row
}
