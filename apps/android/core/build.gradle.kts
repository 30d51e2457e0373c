import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.kotlin.jvm)
}

// the level of the classes, not a JDK of that version: Studio brings a newer one
java {
    sourceCompatibility = JavaVersion.toVersion(libs.versions.java.get())
    targetCompatibility = JavaVersion.toVersion(libs.versions.java.get())
}

kotlin {
    compilerOptions { jvmTarget = JvmTarget.fromTarget(libs.versions.java.get()) }
}

dependencies {
    compileOnly(libs.android.json) // org.json is part of the system on a phone
    testImplementation(libs.android.json)
    testImplementation(platform(libs.junit.bom))
    testImplementation(libs.junit.jupiter)
    testRuntimeOnly(libs.junit.launcher)
}

tasks.test {
    useJUnitPlatform()
    // where `make android-test` had the golden files written
    systemProperty("edgeform.golden", providers.gradleProperty("edgeform.golden").orElse("").get())
}
