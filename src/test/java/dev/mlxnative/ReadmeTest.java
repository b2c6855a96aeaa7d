package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The example of the README compiles as it stands, and does what it says. */
class ReadmeTest {
    @TempDir
    Path folder;

    @Test
    void theExampleRuns() throws Exception {
        Matcher example =
                Pattern.compile("```java\n(.*?)```", Pattern.DOTALL).matcher(Files.readString(Path.of("README.md")));
        assertThat(example.find()).isTrue();
        Path source = Files.writeString(folder.resolve("Example.java"), """
                import dev.mlxnative.*;
                import java.lang.foreign.ValueLayout;

                class Example {
                    public static void main(String[] arguments) {
                        %s
                    }
                }
                """.formatted(example.group(1)));
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        String classes = Path.of("target", "classes").toString();
        assertThat(compiler.run(null, null, null, "-d", folder.toString(), "-cp", classes, source.toString()))
                .isZero();

        ForkedJvm jvm = ForkedJvm.java(List.of(
                "--enable-native-access=ALL-UNNAMED", "-classpath", folder + File.pathSeparator + classes, "Example"));
        assertThat(jvm.err()).isEmpty();
        assertThat(jvm.out()).isEqualTo("2 of 3 from the pool\n");
    }
}
