package dev.mlxnative.bench.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.NeedsKernelCompiler;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Tests the command {@code kernels} from its arguments to its exit code, with the real compiler. */
@NeedsKernelCompiler
class KernelsCommandTest {

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @TempDir
    private Path directory;

    @Test
    void compilesASourceWithItsIncludesAndAllItsKernels() throws Exception {
        Path json = directory.resolve("results.jsonl");

        int exitCode = execute(folder("good"), "--include", folder("shared"), "--json", json.toString());

        assertThat(err.toString()).isEmpty();
        assertThat(exitCode).isZero();
        JsonNode result = results(json).getFirst();
        assertThat(result.get("file").stringValue()).endsWith("scale.metal");
        assertThat(result.get("outcome").stringValue()).isEqualTo("OK");
        assertThat(result.get("kernels").intValue()).isEqualTo(3);
        assertThat(result.get("compiled").intValue()).isEqualTo(3);
        assertThat(result.get("libraryMillis").doubleValue()).isPositive();
        assertThat(result.get("kernelMillis").doubleValue()).isPositive();
        assertThat(out.toString())
                .contains("| scale.metal | ok ")
                .contains("1 files, 1 ok, 0 kernel failed, 0 failed, 0 needs MPP, 3 kernels, 3 of them compiled");
    }

    @Test
    void saysWhichHeaderIsMissing() throws Exception {
        int exitCode = execute(folder("good"));

        assertThat(exitCode).isEqualTo(1);
        assertThat(err.toString()).contains("scale.metal: ").contains("shared.h");
        assertThat(out.toString()).contains("1 files, 0 ok, 0 kernel failed, 1 failed");
    }

    @Test
    void namesTheFileAndTheLineOfAnErrorInAnIncludedTemplate() throws Exception {
        int exitCode = execute(folder("failing"));

        assertThat(exitCode).isEqualTo(1);
        assertThat(err.toString()).contains("broken.h:3: error: ");
        assertThat(out.toString()).containsPattern("1 files, 0 ok, (1 kernel failed, 0|0 kernel failed, 1) failed");
    }

    @Test
    void tellsApartWhatNeedsMetalPerformancePrimitives() throws Exception {
        int exitCode = execute(folder("primitives"), folder("good"), "--include", folder("shared"));

        assertThat(err.toString()).isEmpty();
        assertThat(exitCode).isZero();
        assertThat(out.toString())
                .contains("| primitives/product.metal | needs MPP ", "| good/scale.metal         | ok ")
                .contains("2 files, 1 ok, 0 kernel failed, 0 failed, 1 needs MPP");
    }

    @Test
    void compilesASampleOfTheFilesThatMatch() throws Exception {
        Path json = directory.resolve("results.jsonl");

        int exitCode = execute(
                folder("good"),
                folder("failing"),
                "--include",
                folder("shared"),
                "--filter",
                "sc*.metal",
                "--kernels",
                "2",
                "--json",
                json.toString());

        assertThat(exitCode).isZero();
        assertThat(results(json)).hasSize(1);
        assertThat(results(json).getFirst().get("kernels").intValue()).isEqualTo(3);
        assertThat(results(json).getFirst().get("compiled").intValue()).isEqualTo(2);
    }

    @Test
    void definesMacros() throws Exception {
        int exitCode = execute(folder("good"), "--include", folder("shared"), "--define", "SHARED=no_such_name");

        assertThat(exitCode).isEqualTo(1);
        assertThat(err.toString()).contains("scale.metal:").contains("no_such_name");
        assertThat(execute(folder("good"), "--include", folder("shared"), "--define", "SHARED=2"))
                .isZero();
        assertThat(execute(folder("good"), "--define", "1=2")).isEqualTo(2);
    }

    @Test
    void checksNumbersAgainstAReference() throws Exception {
        Path json = directory.resolve("results.jsonl");

        int exitCode = execute(folder("project"), "--check", "--filter", "cos_f32", "--json", json.toString());

        assertThat(err.toString()).isEmpty();
        assertThat(exitCode).isZero();
        assertThat(results(json).getFirst().get("outcome").stringValue()).isEqualTo("OK");
        assertThat(results(json).getFirst().get("error").doubleValue()).isBetween(0.0, 1e-6);
        assertThat(out.toString()).contains("1 checks, 1 ok, 0 WRONG, 0 FAILED, 0 not found");
    }

    @Test
    void findsWrongNumbersAndSourcesThatAreNotThere() throws Exception {
        int exitCode = execute(folder("project"), "--check", "--filter", "{gelu_f32,argmax_float32}");

        assertThat(exitCode).isEqualTo(1);
        assertThat(out.toString()).contains("3 checks, 0 ok, 1 WRONG, 0 FAILED, 2 not found");
        assertThat(err.toString().lines())
                .hasSize(3)
                .anyMatch(line -> line.matches("candle gelu_f32: the error .* is above 0.001"))
                .contains("mlx argmax_float32: no folder has mlx/backend/metal/kernels/arg_reduce.metal");
    }

    @Test
    void refusesFoldersWithoutSourcesAndWrongUsage() throws Exception {
        assertThat(execute(directory.toString())).isEqualTo(2);
        assertThat(execute(directory.resolve("none").toString())).isEqualTo(2);
        assertThat(execute(folder("good"), "--kernels", "-1")).isEqualTo(2);
        assertThat(execute(folder("project"), "--check", "--filter", "unknown")).isEqualTo(2);
        assertThat(execute()).isEqualTo(2);

        assertThat(err.toString())
                .contains("no file *.metal matches *")
                .contains("none: no such file or directory")
                .contains("Invalid value for option '--kernels': -1")
                .contains("no check matches unknown")
                .contains("Missing required parameter");
    }

    private int execute(String... arguments) {
        return new KernelsCommand()
                .commandLine()
                .setOut(new PrintWriter(out, true))
                .setErr(new PrintWriter(err, true))
                .execute(arguments);
    }

    private static List<JsonNode> results(Path json) throws IOException {
        return Files.readAllLines(json).stream()
                .map(JsonMapper.shared()::readTree)
                .toList();
    }

    private static String folder(String name) throws URISyntaxException {
        return Path.of(Objects.requireNonNull(KernelsCommandTest.class.getResource(name))
                        .toURI())
                .toString();
    }
}
