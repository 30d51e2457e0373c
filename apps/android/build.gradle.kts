// Versions stand in gradle/libs.versions.toml; the pom.xml beside each of these files compiles and
// tests the same sources without the Android SDK.
plugins {
    alias(libs.plugins.android.application) apply false
    alias(libs.plugins.kotlin.android) apply false
    alias(libs.plugins.kotlin.jvm) apply false
}
