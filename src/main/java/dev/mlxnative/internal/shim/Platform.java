package dev.mlxnative.internal.shim;

import dev.mlxnative.Backend;
import dev.mlxnative.NativeLibraryException;
import java.nio.charset.Charset;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/**
 * An operating system and architecture, as the jar names the folders of its native libraries.
 *
 * @param os {@code macos}, {@code linux}, or the name that another system gives itself
 * @param arch {@code x86_64}, {@code aarch64}, or the JVM's own name for another one
 */
public record Platform(String os, String arch) {
    private static final String ROOT = "/META-INF/native/";

    /** The platform of this JVM. */
    public static Platform current() {
        return of(System.getProperty("os.name", "unknown"), System.getProperty("os.arch", "unknown"));
    }

    /** The platform that these values of {@code os.name} and {@code os.arch} mean. */
    public static Platform of(String osName, String osArch) {
        String os = osName.startsWith("Mac")
                ? "macos"
                : osName.toLowerCase(Locale.ROOT).replace(' ', '-');
        String arch = switch (osArch) {
            case "amd64" -> "x86_64";
            case "arm64" -> "aarch64";
            default -> osArch;
        };
        return new Platform(os, arch);
    }

    /** A library that the jar may contain. */
    public record Candidate(Backend backend, String resource) {}

    /** The libraries for this platform that the jar may contain, the preferred one first. */
    public List<Candidate> candidates() {
        if (os.equals("macos")) {
            return List.of(
                    new Candidate(Backend.METAL, ROOT + "macos-universal/libmlxshim.dylib"),
                    new Candidate(Backend.HOST, ROOT + this + "/libmlxshim_host.dylib"));
        }
        return List.of(new Candidate(Backend.HOST, ROOT + this + "/libmlxshim_host.so"));
    }

    /** The system that the jar's libraries for this platform are built for. */
    String requirement() {
        return os.equals("macos") ? "macOS 13 or later" : "a Linux with glibc 2.17 or later";
    }

    /**
     * The absolute path that the value of a system property means.
     *
     * @throws NativeLibraryException if it means none
     */
    static Path pathProperty(String property, String value) {
        try {
            return Path.of(value).toAbsolutePath();
        } catch (InvalidPathException e) {
            throw new NativeLibraryException(
                    "-D" + property + "=" + value + " is no path: " + e.getMessage() + ". File names are in "
                            + fileNameCharset() + ": for other characters start the JVM in another locale, as with"
                            + " LC_ALL=C.UTF-8, or name another path with -D" + property + "=<path>",
                    e);
        }
    }

    /** The encoding of file names, which the locale determines when the JVM starts. */
    static Charset fileNameCharset() {
        return Charset.forName(System.getProperty("sun.jnu.encoding", "UTF-8"));
    }

    @Override
    public String toString() {
        return os + "-" + arch;
    }
}
