package edgeform.core

import kotlin.math.floor

/** A summary of times in milliseconds. */
data class Statistics(
    val p50: Double, val p90: Double, val p99: Double, val mean: Double, val min: Double,
) {
    companion object {
        /** Throws [IllegalArgumentException] without [samples]. */
        fun of(samples: DoubleArray): Statistics {
            require(samples.isNotEmpty()) { "there are no samples" }
            val sorted = samples.sortedArray()
            return Statistics(
                p50 = percentile(sorted, 0.50),
                p90 = percentile(sorted, 0.90),
                p99 = percentile(sorted, 0.99),
                mean = samples.average(),
                min = sorted[0],
            )
        }
    }
}

/** Linear between the two neighbours in rank, from the nearer one: numpy's default. */
private fun percentile(sorted: DoubleArray, share: Double): Double {
    val rank = share * (sorted.size - 1)
    val below = floor(rank).toInt()
    val above = minOf(below + 1, sorted.size - 1)
    val part = rank - below
    val step = sorted[above] - sorted[below]
    return if (part < 0.5) sorted[below] + step * part else sorted[above] - step * (1 - part)
}
