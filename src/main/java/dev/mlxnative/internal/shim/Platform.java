package dev.mlxnative.internal.shim;

import dev.mlxnative.Backend;
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
        return of(System.getProperty("os.name"), System.getProperty("os.arch"));
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

    @Override
    public String toString() {
        return os + "-" + arch;
    }
}
