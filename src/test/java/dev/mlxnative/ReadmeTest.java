package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The Java code in the README compiles unchanged, and does what the README says. */
class ReadmeTest {
    private static final Pattern JAVA = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL);
    private static final String CLASSES = Path.of("target", "classes").toString();

    @TempDir
    Path folder;

    private static String snippet(String beginning) throws IOException {
        List<String> found = JAVA.matcher(Files.readString(Path.of("README.md")))
                .results()
                .map(result -> result.group(1))
                .filter(code -> code.startsWith(beginning))
                .toList();
        assertThat(found).as("code that begins with " + beginning).hasSize(1);
        return found.getFirst();
    }

    private ForkedJvm run(String imports, String code) throws Exception {
        Path source = Files.writeString(folder.resolve("Example.java"), """
                %s
                import dev.mlxnative.*;

                class Example {
                    public static void main(String[] arguments) throws Exception {
                        %s
                    }
                }
                """.formatted(imports, code));
        String libraries = CLASSES + File.pathSeparator + System.getProperty("java.class.path");
        assertThat(ToolProvider.getSystemJavaCompiler()
                        .run(null, null, null, "-d", folder.toString(), "-cp", libraries, source.toString()))
                .isZero();
        ForkedJvm jvm = ForkedJvm.java(List.of(
                "--enable-native-access=ALL-UNNAMED",
                // Micrometer finds SLF4J on the class path of the tests, which warns that it has no provider.
                "-Dslf4j.internal.verbosity=ERROR",
                "-classpath",
                folder + File.pathSeparator + libraries,
                "Example"));
        assertThat(jvm.err()).isEmpty();
        return jvm;
    }

    @Test
    void allOfItIsTried() throws IOException {
        assertThat(JAVA.matcher(Files.readString(Path.of("README.md")))
                        .results()
                        .map(MatchResult::group))
                .hasSize(3);
    }

    @Test
    @NeedsKernelCompiler
    void theExampleRuns() throws Exception {
        ForkedJvm jvm = run("import java.lang.foreign.ValueLayout;", snippet("String source ="));
        assertThat(jvm.out()).isEqualTo("42.0\n");
    }

    @Test
    void theViewForJmxRegisters() throws Exception {
        ForkedJvm jvm = run(
                "import java.lang.management.ManagementFactory;", """
                MlxBufferPool pool = MlxBufferPool.builder(MlxDevice.open()).name("kv").build();
                %s
                System.out.println(ManagementFactory.getPlatformMBeanServer()
                        .getAttribute(bean.getObjectName(), "Name"));
                """.formatted(snippet("MlxBufferPoolMXBean bean")));
        assertThat(jvm.out()).isEqualTo("kv\n");
    }

    @Test
    void theMetersCount() throws Exception {
        ForkedJvm jvm = run("""
                import io.micrometer.core.instrument.*;
                import io.micrometer.core.instrument.binder.MeterBinder;
                import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
                import java.util.Map;
                import java.util.function.ToDoubleFunction;
                """, """
                MlxBufferPool pool = MlxBufferPool.builder(MlxDevice.open()).name("kv").build();
                MeterRegistry registry = new SimpleMeterRegistry();
                %s
                MlxBuffer buffer = pool.alloc(3000, DType.U8);
                System.out.println(registry.get("mlx.pool.requests").tag("pool", "kv").functionCounter().count());
                System.out.println(registry.get("mlx.pool.memory").tag("state", "active").gauge().value());
                buffer.close();
                System.out.println(registry.get("mlx.pool.memory").tag("state", "cached").gauge().value());
                """.formatted(snippet("MeterBinder meters")));
        assertThat(jvm.out()).isEqualTo("1.0\n4096.0\n4096.0\n");
    }
}
