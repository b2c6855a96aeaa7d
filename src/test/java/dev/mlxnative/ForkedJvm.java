package dev.mlxnative;

import dev.mlxnative.internal.shim.NativeLibrary;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** The result of a JVM that a test has forked: with its own options and properties, and with its output captured. */
public record ForkedJvm(int exitStatus, String out, String err) {
    private static final long LIMIT_SECONDS = 300;
    private static final long DUMP_SECONDS = 20;

    /** Runs a class of the test class path. */
    public static ForkedJvm run(List<String> options, Class<?> main, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(options);
        command.addAll(List.of("-classpath", System.getProperty("java.class.path"), main.getName()));
        command.addAll(List.of(arguments));
        return java(command);
    }

    /** Runs the {@code java} that runs this test. */
    static ForkedJvm java(List<String> arguments) throws Exception {
        return behind(List.of(), arguments);
    }

    /** Runs that {@code java} behind a command that ends up as the JVM, such as {@code env}. */
    static ForkedJvm behind(List<String> prefix, List<String> arguments) throws Exception {
        List<String> command = new ArrayList<>(prefix);
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(arguments);
        return start(command);
    }

    private static ForkedJvm start(List<String> command) throws IOException, InterruptedException {
        Path out = Files.createTempFile("forked-jvm", ".out");
        Path err = Files.createTempFile("forked-jvm", ".err");
        try {
            Process process = new ProcessBuilder(command)
                    .redirectOutput(out.toFile())
                    .redirectError(err.toFile())
                    .start();
            if (!process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)) {
                String threads = threadsOf(process);
                process.destroyForcibly();
                throw new AssertionError("still running after " + LIMIT_SECONDS + " s: " + command + "\n" + read(out)
                        + read(err) + threads);
            }
            return new ForkedJvm(process.exitValue(), read(out), read(err));
        } finally {
            Files.deleteIfExists(out);
            Files.deleteIfExists(err);
        }
    }

    /** The stacks of a JVM that does not end. */
    private static String threadsOf(Process process) throws IOException, InterruptedException {
        Path stacks = Files.createTempFile("forked-jvm", ".stacks");
        try {
            String jstack =
                    Path.of(System.getProperty("java.home"), "bin", "jstack").toString();
            Process dump = new ProcessBuilder(jstack, Long.toString(process.pid()))
                    .redirectErrorStream(true)
                    .redirectOutput(stacks.toFile())
                    .start();
            if (!dump.waitFor(DUMP_SECONDS, TimeUnit.SECONDS)) {
                dump.destroyForcibly();
            }
            return read(stacks);
        } finally {
            Files.deleteIfExists(stacks);
        }
    }

    private static String read(Path file) throws IOException {
        return Files.readString(file, StandardCharsets.UTF_8);
    }

    /** The folder of the test classes, without their dependencies. */
    static String testClasses() throws URISyntaxException {
        return Path.of(ForkedJvm.class
                        .getProtectionDomain()
                        .getCodeSource()
                        .getLocation()
                        .toURI())
                .toString();
    }

    /** The options with which a forked JVM loads the library that this JVM was told to load. */
    static List<String> sameLibrary() {
        String path = System.getProperty(NativeLibrary.PATH_PROPERTY);
        return path == null ? List.of() : List.of("-D" + NativeLibrary.PATH_PROPERTY + "=" + path);
    }
}
