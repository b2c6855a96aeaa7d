package dev.mlxnative.internal.shim;

import dev.mlxnative.Backend;
import dev.mlxnative.DeviceNotFoundException;
import dev.mlxnative.NativeLibraryException;
import dev.mlxnative.internal.shim.Platform.Candidate;
import dev.mlxnative.internal.shim.ffi.mlxshim_h;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Loads the native library of this process, once. The first of these decides:
 *
 * <ol>
 *   <li>The system property {@value #PATH_PROPERTY} names a file. No other library is tried then.
 *   <li>The jar has libraries for this operating system and architecture, under {@code META-INF/native/<os>-<arch>/}.
 *       Metal's is taken if it finds a device, else the host's. The system property {@value #BACKEND_PROPERTY}
 *       ({@code metal} or {@code host}) restricts the choice to one of them.
 * </ol>
 *
 * <p>The ABI version of a library is checked in a temporary lookup first, so a wrong library never stays loaded.
 */
public final class NativeLibrary {
    /** The system property that names a library file. */
    public static final String PATH_PROPERTY = "mlx.shim.path";
    /** The system property that names a backend. */
    public static final String BACKEND_PROPERTY = "mlx.backend";

    private static final String MANIFEST_CURE =
            " (or, for a jar that java -jar starts, put 'Enable-Native-Access: ALL-UNNAMED' into its manifest)";
    private static final Origin NAMED = new Origin(
            "named by -D" + PATH_PROPERTY,
            "Name a library built for this platform, or leave the property out to use the one in the jar");

    private static @Nullable Backend loaded;

    private NativeLibrary() {}

    /**
     * Loads the library unless it is loaded, and returns its backend.
     *
     * @param wanted the backend that the caller needs, or null for the best one
     * @throws NativeLibraryException if none can be loaded
     * @throws DeviceNotFoundException if the jar has no library of the wanted backend for this platform, or the process
     *     has loaded another
     */
    public static synchronized Backend load(@Nullable Backend wanted) {
        Backend backend = loaded;
        if (backend == null) {
            backend = loadFirst(wanted);
            loaded = backend;
        }
        if (wanted != null && backend != wanted) {
            throw new DeviceNotFoundException("there is no " + wanted + " device in this process: it has loaded the "
                    + backend + " library, and only one can be. Start the JVM with -D" + BACKEND_PROPERTY + "="
                    + wanted.name().toLowerCase(Locale.ROOT) + " to have the other");
        }
        return backend;
    }

    private static Backend loadFirst(@Nullable Backend wanted) {
        String path = System.getProperty(PATH_PROPERTY);
        if (path != null) {
            Path file = Path.of(path).toAbsolutePath();
            return Objects.requireNonNull(loadFile(file, NAMED, false));
        }
        Backend only = wanted != null ? wanted : backendProperty();
        Platform platform = Platform.current();
        List<Candidate> candidates = platform.candidates().stream()
                .filter(candidate -> only == null || only == candidate.backend())
                .toList();
        if (candidates.isEmpty()) {
            throw new DeviceNotFoundException("there is no " + only + " device on " + platform + ": only macOS has one."
                    + " Leave out -D" + BACKEND_PROPERTY + ", or ask for " + Backend.HOST);
        }
        List<Candidate> packaged = candidates.stream()
                .filter(candidate -> NativeLibrary.class.getResource(candidate.resource()) != null)
                .toList();
        for (Candidate candidate : packaged) {
            // The last library is loaded with or without a device: opening the device then reports the reason.
            boolean needsDevice = !candidate.equals(packaged.getLast());
            Backend backend = loadResource(candidate.resource(), needsDevice);
            if (backend != null) {
                return backend;
            }
        }
        throw new NativeLibraryException("this jar has no native library for " + platform + "; tried "
                + String.join(", ", candidates.stream().map(Candidate::resource).toList())
                + ". Name one of your own with -D" + PATH_PROPERTY + "=<file>");
    }

    private static @Nullable Backend backendProperty() {
        String value = System.getProperty(BACKEND_PROPERTY);
        if (value == null) {
            return null;
        }
        for (Backend backend : Backend.values()) {
            if (backend.name().equalsIgnoreCase(value)) {
                return backend;
            }
        }
        throw new NativeLibraryException(
                "-D" + BACKEND_PROPERTY + "=" + value + " names no backend: it is 'metal' or 'host'");
    }

    /** Loads a library of the jar; null if a device is needed and the library finds none. */
    private static @Nullable Backend loadResource(String resource, boolean needsDevice) {
        Path directory = null;
        Path file = null;
        try {
            // The JDK creates it so that only this user can read, write and search it.
            directory = Files.createTempDirectory("mlx-native-");
            file = directory.resolve(resource.substring(resource.lastIndexOf('/') + 1));
            extract(resource, file);
            return loadFile(
                    file,
                    new Origin(
                            "extracted from " + resource + " in the jar",
                            "If its folder is mounted 'noexec', name another with -Djava.io.tmpdir=<folder>"),
                    needsDevice);
        } catch (IOException e) {
            throw new NativeLibraryException(
                    "the library " + resource + " could not be extracted to " + System.getProperty("java.io.tmpdir")
                            + ": " + e
                            + ". Make it writable, with room, or name another folder with -Djava.io.tmpdir=<folder>, or an"
                            + " extracted library with -D" + PATH_PROPERTY + "=<file>",
                    e);
        } finally {
            // A loaded library is mapped and needs no file. Files that stay would add up with every start.
            deleteQuietly(file);
            deleteQuietly(directory);
        }
    }

    /** Writes a resource to a new file, reads the file back and compares the digests. */
    private static void extract(String resource, Path file) throws IOException {
        byte[] packaged;
        try (InputStream in = NativeLibrary.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new IOException(resource + " is gone from the jar");
            }
            byte[] bytes = in.readAllBytes();
            packaged = sha256().digest(bytes);
            Files.write(file, bytes, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        }
        MessageDigest extracted = sha256();
        try (DigestInputStream in = new DigestInputStream(Files.newInputStream(file), extracted)) {
            in.transferTo(OutputStream.nullOutputStream());
        }
        byte[] written = extracted.digest();
        if (!MessageDigest.isEqual(packaged, written)) {
            HexFormat hex = HexFormat.of();
            throw new IOException(file + " has SHA-256 " + hex.formatHex(written) + " after it was written with "
                    + hex.formatHex(packaged));
        }
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }

    private static void deleteQuietly(@Nullable Path path) {
        if (path != null) {
            try {
                Files.deleteIfExists(path);
            } catch (IOException e) {
                path.toFile().deleteOnExit();
            }
        }
    }

    /** Loads a file; null if a device is needed and the library finds none, and then it is not loaded. */
    private static @Nullable Backend loadFile(Path file, Origin origin, boolean needsDevice) {
        if (!Files.isRegularFile(file)) {
            throw new NativeLibraryException("there is no file " + file + ", " + origin + ". " + origin.cure());
        }
        try {
            if (!verify(file, origin, needsDevice)) {
                return null;
            }
            System.load(file.toString());
        } catch (IllegalCallerException e) {
            throw new NativeLibraryException(
                    "native access is denied to " + accessName() + ": start the JVM with --enable-native-access="
                            + accessName() + (isNamed() ? "" : MANIFEST_CURE),
                    e);
        } catch (UnsatisfiedLinkError e) {
            throw new NativeLibraryException(
                    "the library " + file + ", " + origin + ", cannot be loaded on " + Platform.current() + ": "
                            + e.getMessage() + ". " + origin.cure(),
                    e);
        }
        return mlxshim_h.mlxshim_backend_kind() == mlxshim_h.MLXSHIM_BACKEND_METAL() ? Backend.METAL : Backend.HOST;
    }

    /** The value that the flag {@code --enable-native-access} needs for this class. */
    private static String accessName() {
        return isNamed() ? NativeLibrary.class.getModule().getName() : "ALL-UNNAMED";
    }

    private static boolean isNamed() {
        return NativeLibrary.class.getModule().isNamed();
    }

    /** The source of a library file, and advice for the case that it does not load. */
    private record Origin(String description, String cure) {
        @Override
        public String toString() {
            return description;
        }
    }

    /** Checks the ABI version in a temporary lookup; false if a device is needed and the library finds none. */
    private static boolean verify(Path file, Origin origin, boolean needsDevice) {
        try (Arena arena = Arena.ofConfined()) {
            SymbolLookup library = SymbolLookup.libraryLookup(file, arena);
            int version = abiVersion(library, file, origin);
            if (version != mlxshim_h.MLXSHIM_ABI_VERSION()) {
                throw new NativeLibraryException("the library " + file + ", " + origin + ", has ABI version " + version
                        + ", but this jar needs " + mlxshim_h.MLXSHIM_ABI_VERSION()
                        + ": use the library that belongs to the jar");
            }
            return !needsDevice || hasDevice(library, arena);
        } catch (IllegalArgumentException e) {
            // The lookup's exception lacks the loader's reason; that of System.load has it.
            System.load(file.toString());
            throw new NativeLibraryException("the library " + file + ", " + origin + ", cannot be opened", e);
        }
    }

    private static int abiVersion(SymbolLookup library, Path file, Origin origin) {
        MemorySegment function = library.find("mlxshim_abi_version")
                .orElseThrow(() -> new NativeLibraryException("the file " + file + ", " + origin
                        + ", is no mlxshim library: it has no function mlxshim_abi_version"));
        try {
            return (int) Linker.nativeLinker()
                    .downcallHandle(function, FunctionDescriptor.of(ValueLayout.JAVA_INT))
                    .invokeExact();
        } catch (Throwable e) {
            throw new AssertionError("a function without arguments throws nothing", e);
        }
    }

    /**
     * Whether the library finds a device. Calls it without the generated bindings, which look each function up once and
     * must not do so before the library is loaded.
     */
    private static boolean hasDevice(SymbolLookup library, Arena arena) {
        MemorySegment open = library.find("mlxshim_device_open").orElseThrow();
        MemorySegment release = library.find("mlxshim_device_release").orElseThrow();
        MemorySegment device = arena.allocate(ValueLayout.ADDRESS);
        try {
            int status = (int) Linker.nativeLinker()
                    .downcallHandle(
                            open,
                            FunctionDescriptor.of(
                                    ValueLayout.JAVA_INT,
                                    ValueLayout.ADDRESS,
                                    ValueLayout.ADDRESS,
                                    ValueLayout.JAVA_LONG))
                    .invokeExact(device, MemorySegment.NULL, 0L);
            if (status == mlxshim_h.MLXSHIM_OK()) {
                Linker.nativeLinker()
                        .downcallHandle(release, FunctionDescriptor.ofVoid(ValueLayout.ADDRESS))
                        .invokeExact(device.get(ValueLayout.ADDRESS, 0));
            }
            return status == mlxshim_h.MLXSHIM_OK();
        } catch (Throwable e) {
            throw new AssertionError("opening a device throws nothing", e);
        }
    }
}
