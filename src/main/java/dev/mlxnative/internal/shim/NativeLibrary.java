package dev.mlxnative.internal.shim;

import dev.mlxnative.Backend;
import dev.mlxnative.DeviceNotFoundException;
import dev.mlxnative.NativeLibraryException;
import dev.mlxnative.internal.shim.LibraryFile.Origin;
import dev.mlxnative.internal.shim.Platform.Candidate;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Loads the native library for this class loader, once. The first of these decides:
 *
 * <ol>
 *   <li>The system property {@value #PATH_PROPERTY} names a file. No other library is tried then.
 *   <li>The jar has libraries for this operating system and architecture, under {@code META-INF/native/<os>-<arch>/}.
 *       Metal's is taken if it finds a device, else the host's. The system property {@value #BACKEND_PROPERTY}
 *       ({@code metal} or {@code host}) restricts the choice to one of them.
 * </ol>
 *
 * <p>A failure, also an error of the VM, leaves nothing behind: the next call tries again.
 */
public final class NativeLibrary {
    /** The system property that names a library file. */
    public static final String PATH_PROPERTY = "mlx.shim.path";
    /** The system property that names a backend. */
    public static final String BACKEND_PROPERTY = "mlx.backend";

    /** The system property that names the compiler of kernels, for backends that need one. */
    public static final String COMPILER_PROPERTY = "mlx.clang";
    /** The system property with further options of that compiler. */
    public static final String OPTIONS_PROPERTY = "mlx.clangOptions";
    /** The system property that names the folder for compiled kernels. */
    public static final String CACHE_PROPERTY = "mlx.kernelCache";

    /** Written once, under the lock of this class. */
    private static volatile @Nullable Backend loaded;

    private NativeLibrary() {}

    /**
     * Loads the library unless it is loaded, and returns its backend.
     *
     * @param wanted the backend that the caller needs, or null for the best one
     * @throws NativeLibraryException if none can be loaded
     * @throws DeviceNotFoundException if there is no library of the wanted backend for this platform, or another is
     *     loaded
     */
    public static Backend load(@Nullable Backend wanted) {
        Backend backend = loaded;
        if (backend == null) {
            backend = InitializationThread.run(new Loading(wanted));
        }
        if (wanted != null && backend != wanted) {
            throw otherBackend(wanted, backend);
        }
        return backend;
    }

    private record Loading(@Nullable Backend wanted) implements Supplier<Backend> {
        @Override
        public Backend get() {
            return loadOnce(wanted);
        }
    }

    private static synchronized Backend loadOnce(@Nullable Backend wanted) {
        Backend backend = loaded;
        if (backend == null) {
            try {
                backend = loadFirst(wanted);
            } catch (SecurityException e) {
                throw new NativeLibraryException(
                        "loading the native library is not permitted: " + e.getMessage()
                                + ". Grant this permission to the jar of " + NativeLibrary.class.getPackageName(),
                        e);
            }
            initializeBindings();
            configureCompiler();
            loaded = backend;
        }
        return backend;
    }

    private static void configureCompiler() {
        String cache = System.getProperty(CACHE_PROPERTY);
        ComputeShim.configureCompiler(
                System.getProperty(COMPILER_PROPERTY),
                System.getProperty(OPTIONS_PROPERTY),
                cache == null ? null : Path.of(cache).toAbsolutePath().toString());
    }

    /** Initialises the bindings of all functions, which otherwise happens in the first call of each. */
    private static void initializeBindings() {
        for (Class<?> function : LibraryFile.boundFunctions()) {
            try {
                Class.forName(function.getName(), true, function.getClassLoader());
            } catch (ClassNotFoundException e) {
                throw new AssertionError("the class is there: " + function, e);
            }
        }
        ComputeShim.initialize();
    }

    private static DeviceNotFoundException otherBackend(Backend wanted, Backend backend) {
        String cause = "there is no " + wanted + " device in this process: it has loaded the " + backend + " library, ";
        String name = System.getProperty(PATH_PROPERTY);
        if (name != null) {
            return new DeviceNotFoundException(cause + "which -D" + PATH_PROPERTY + "=" + name + " names. Name one of "
                    + wanted + ", or leave the property out");
        }
        if (candidates(wanted).isEmpty()) {
            return noDevice(wanted);
        }
        return new DeviceNotFoundException(cause + "and only one can be. Start the JVM with -D" + BACKEND_PROPERTY + "="
                + wanted.name().toLowerCase(Locale.ROOT) + " to have the other");
    }

    private static DeviceNotFoundException noDevice(Backend backend) {
        return new DeviceNotFoundException("there is no " + backend + " device on " + Platform.current()
                + ": only macOS has one. Leave out -D" + BACKEND_PROPERTY + ", or ask for " + Backend.HOST);
    }

    private static List<Candidate> candidates(@Nullable Backend only) {
        return Platform.current().candidates().stream()
                .filter(candidate -> only == null || only == candidate.backend())
                .toList();
    }

    private static Backend loadFirst(@Nullable Backend wanted) {
        String path = System.getProperty(PATH_PROPERTY);
        if (path != null) {
            return loadNamed(path);
        }
        Backend only = wanted != null ? wanted : backendProperty();
        List<Candidate> candidates = candidates(only);
        if (only != null && candidates.isEmpty()) {
            throw noDevice(only);
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
        throw new NativeLibraryException("this jar has no native library for " + Platform.current() + "; tried "
                + String.join(", ", candidates.stream().map(Candidate::resource).toList())
                + ". Name one of your own with -D" + PATH_PROPERTY + "=<file>");
    }

    private static Backend loadNamed(String path) {
        if (path.isEmpty()) {
            throw new NativeLibraryException("-D" + PATH_PROPERTY
                    + " is empty: name a library, or leave the property out to use the one in the jar");
        }
        String cure = "Name a whole library of this version for " + Platform.current()
                + " that finds all it depends on, or leave the property out to use the one in the jar";
        Origin origin = new Origin(
                "named by -D" + PATH_PROPERTY, cure, cure + ". Its folder must not be mounted 'noexec'", cure);
        Backend backend = new LibraryFile(Platform.pathProperty(PATH_PROPERTY, path), origin).load(false);
        if (backend == null) {
            throw new AssertionError("a library that needs no device is loaded without one");
        }
        return backend;
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
        throw new NativeLibraryException("-D" + BACKEND_PROPERTY + "=" + value
                + " names no backend: it is 'metal' or 'host', or left out for the best one");
    }

    /** Loads a library of the jar; null if a device is needed and the library finds none. */
    private static @Nullable Backend loadResource(String resource, boolean needsDevice) {
        Origin origin = PrivateCopy.origin(
                "extracted from " + resource + " in the jar",
                "It needs " + Platform.current().requirement()
                        + ": name a library that is built for this system with -D" + PATH_PROPERTY + "=<file>");
        String name = resource.substring(resource.lastIndexOf('/') + 1);
        String alternative = "Or name an extracted library with -D" + PATH_PROPERTY + "=<file>";
        try (PrivateCopy copy =
                PrivateCopy.of("the library " + resource + " in the jar", name, read(resource), alternative)) {
            return new LibraryFile(copy.file(), origin).load(needsDevice);
        }
    }

    private static byte[] read(String resource) {
        try (InputStream in = NativeLibrary.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new IOException("it is gone");
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new NativeLibraryException(
                    "the library " + resource + " cannot be read from the jar: " + e
                            + ". Do not replace the jar while the JVM runs",
                    e);
        }
    }
}
