package edgeform.core

import org.json.JSONArray
import org.json.JSONException
import org.json.JSONObject
import org.json.JSONTokener

private const val DEEPEST = 64

/** JSON that does not hold what it should; the message says where. */
internal class MalformedJson(message: String, cause: Throwable? = null) : Exception(message, cause)

/**
 * A JSON object read strictly: org.json turns "3" into 3 and null into "null", this does not.
 * [path] names it in messages.
 */
internal class JsonSection(private val content: JSONObject, private val path: String) {
    fun section(name: String): JsonSection =
        JsonSection(typed(name, "an object"), "$path$name.")

    fun text(name: String): String = typed(name, "a text")

    fun flag(name: String): Boolean = typed(name, "true or false")

    /** One of [allowed]. */
    fun choice(name: String, vararg allowed: String): String {
        val value = text(name)
        if (value !in allowed) {
            throw MalformedJson("$path$name is \"$value\", not ${allowed.joinToString(" or ")}")
        }
        return value
    }

    fun number(name: String): Double = finite(value(name), name)

    /** A whole number of bytes. */
    fun bytes(name: String): Long = whole(value(name), name, 0L..Long.MAX_VALUE)

    /** A whole number from 1 to [LARGEST_SIZE]. */
    fun size(name: String): Int = whole(value(name), name, 1..LARGEST_SIZE).toInt()

    /** One whole number or more from 1 to [LARGEST_SIZE]. */
    fun sizes(name: String): IntArray {
        val count = typed<JSONArray>(name, "a list").length()
        if (count == 0) throw MalformedJson("$path$name is empty")
        return sizes(name, count)
    }

    /** Exactly [count] whole numbers from 1 to [LARGEST_SIZE]. */
    fun sizes(name: String, count: Int): IntArray {
        val values = list(name, count)
        return IntArray(count) {
            whole(values.opt(it), "$name[$it]", 1..LARGEST_SIZE).toInt()
        }
    }

    /** Exactly [count] finite numbers, in float32 as the model's own side computes. */
    fun floats(name: String, count: Int): FloatArray {
        val values = list(name, count)
        return FloatArray(count) { finite(values.opt(it), "$name[$it]").toFloat() }
    }

    /** One of some texts, [default] where the field is missing. */
    fun choiceOr(default: String, name: String, vararg allowed: String): String =
        if (content.has(name)) choice(name, *allowed) else default

    fun sections(name: String): List<JsonSection> {
        val values = typed<JSONArray>(name, "a list")
        return List(values.length()) { index ->
            val item = values.opt(index) as? JSONObject
                ?: throw MalformedJson("$path$name[$index] is not an object")
            JsonSection(item, "$path$name[$index].")
        }
    }

    private fun list(name: String, count: Int): JSONArray {
        val values = typed<JSONArray>(name, "a list")
        if (values.length() != count) {
            throw MalformedJson("$path$name has ${values.length()} values, not $count")
        }
        return values
    }

    private fun value(name: String): Any {
        if (!content.has(name)) throw MalformedJson("$path$name is missing")
        return content.get(name)
    }

    private inline fun <reified T> typed(name: String, kind: String): T =
        value(name) as? T ?: throw MalformedJson("$path$name is not $kind")

    private fun finite(value: Any?, name: String): Double {
        val number = (value as? Number)?.toDouble()
        if (number == null || !number.isFinite()) {
            throw MalformedJson("$path$name is not a finite number")
        }
        return number
    }

    private fun whole(value: Any?, name: String, range: LongRange): Long {
        val number = when (value) {
            is Int -> value.toLong()
            is Long -> value
            else -> throw MalformedJson("$path$name is not a whole number")
        }
        if (number !in range) throw MalformedJson("$path$name is $number, not in $range")
        return number
    }

    companion object {
        /** Of a side, a batch or a count: four of them still multiply within a Long. */
        const val LARGEST_SIZE = 32768L

        /** Parses one JSON object. Throws [MalformedJson] for anything else. */
        fun parse(text: String): JsonSection {
            checkDepth(text)
            try {
                val tokens = JSONTokener(text)
                val content = tokens.nextValue() as? JSONObject
                    ?: throw MalformedJson("it is not a JSON object")
                if (tokens.nextClean() != '\u0000') {
                    throw MalformedJson("something follows the JSON object")
                }
                return JsonSection(content, "")
            } catch (error: JSONException) {
                throw MalformedJson(error.message ?: "it is not JSON", error)
            }
        }

        /** org.json calls itself for each bracket: thousands of them would overflow its stack. */
        private fun checkDepth(text: String) {
            var depth = 0
            var quoted = false
            var index = 0
            while (index < text.length) {
                when (text[index]) {
                    '\\' -> if (quoted) index++
                    '"' -> quoted = !quoted
                    '{', '[' -> if (!quoted && ++depth > DEEPEST) {
                        throw MalformedJson("it is nested more than $DEEPEST deep")
                    }
                    '}', ']' -> if (!quoted) depth--
                }
                index++
            }
        }
    }
}
