package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleFinder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The jar as a user gets it. Maven runs this test after it has built the jar. */
@Tag("packaged")
class PackagedTest {
    private static final Path JAR = Path.of(System.getProperty("mlx.jar"));
    private static final List<String> LIBRARIES = Arrays.stream(
                    System.getProperty("mlx.jar.libraries").split(","))
            .map(name -> "META-INF/native/" + name)
            .toList();

    @Test
    void hasClassesDescriptorAndLibrariesAndNothingElse() throws Exception {
        List<String> entries = new ArrayList<>();
        try (JarFile jar = new JarFile(JAR.toFile())) {
            jar.stream()
                    .filter(entry -> !entry.isDirectory())
                    .map(JarEntry::getName)
                    .forEach(entries::add);
        }
        assertThat(entries)
                .contains(
                        "module-info.class",
                        "dev/mlxnative/MlxBufferPool.class",
                        "META-INF/LICENSE",
                        "META-INF/mlx-native.jfc")
                .containsAll(LIBRARIES)
                .allMatch(
                        name -> name.equals("module-info.class")
                                || name.matches(
                                        "dev/mlxnative/(internal/(pool|compute|observe|device|background|shim|shim/ffi)/)?[\\w$-]+\\.class")
                                || name.matches("META-INF/native/(linux|macos)-\\w+/libmlxshim(_host)?\\.(so|dylib)")
                                || name.matches(
                                        "META-INF/(MANIFEST\\.MF|LICENSE|mlx-native\\.jfc|maven/dev\\.mlxnative/mlx-native/pom\\.\\w+)"))
                .noneMatch(name -> name.contains("Test") || name.contains("bench"));
    }

    @Test
    void isAModuleThatExportsItsBasePackageAlone() {
        ModuleDescriptor module =
                ModuleFinder.of(JAR).find("dev.mlxnative").orElseThrow().descriptor();
        assertThat(module.isAutomatic()).isFalse();
        assertThat(module.exports()).singleElement().satisfies(exports -> {
            assertThat(exports.source()).isEqualTo("dev.mlxnative");
            assertThat(exports.isQualified()).isFalse();
        });
        assertThat(module.requires())
                .filteredOn(requires -> !requires.modifiers().contains(ModuleDescriptor.Requires.Modifier.STATIC))
                .extracting(ModuleDescriptor.Requires::name)
                .containsExactlyInAnyOrder("java.base", "java.management", "jdk.jfr", "jdk.management");
    }

    @Test
    void worksWithNothingBesideItOnTheClassPath() throws Exception {
        ForkedJvm jvm = ForkedJvm.java(List.of(
                "--enable-native-access=ALL-UNNAMED",
                "-classpath",
                JAR + File.pathSeparator + ForkedJvm.testClasses(),
                OpenDevice.class.getName()));
        assertThat(jvm.out()).containsPattern("^(HOST|METAL) 1");
        assertThat(jvm.err()).isEmpty();
    }
}
