package dev.mlxnative;

import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Pattern;

/** How a source is compiled. Immutable: each method returns other options. */
public final class MlxCompileOptions {
    private static final Pattern MACRO = Pattern.compile("[A-Za-z_][A-Za-z_0-9]*");
    private static final int MAJOR_SHIFT = 16;
    private static final int MAX_VERSION = 0x7FFF;
    private static final MlxCompileOptions DEFAULTS = new MlxCompileOptions(true, 0, new TreeMap<>());

    private final boolean fastMath;
    private final int languageVersion;
    private final SortedMap<String, String> macros;

    private MlxCompileOptions(boolean fastMath, int languageVersion, SortedMap<String, String> macros) {
        this.fastMath = fastMath;
        this.languageVersion = languageVersion;
        this.macros = macros;
    }

    /** Fast mathematics, no macros, and the newest version of the language. */
    public static MlxCompileOptions of() {
        return DEFAULTS;
    }

    /**
     * Whether the compiler may break the rules of IEEE 754: reorder sums, and assume that no value is NaN or infinite.
     */
    public MlxCompileOptions fastMath(boolean fast) {
        return new MlxCompileOptions(fast, languageVersion, macros);
    }

    /**
     * Defines a macro, in place of an earlier value.
     *
     * @param value its text, which may be empty
     * @throws IllegalArgumentException if the name is no identifier, or the value has a line break or NUL
     */
    public MlxCompileOptions define(String name, String value) {
        if (!MACRO.matcher(name).matches()) {
            throw new IllegalArgumentException("a macro's name is an identifier, not '" + name + "'");
        }
        if (value.indexOf('\n') >= 0 || value.indexOf('\r') >= 0 || value.indexOf('\0') >= 0) {
            throw new IllegalArgumentException(
                    "the value of the macro " + name + " has a line break or NUL: '" + value + "'");
        }
        SortedMap<String, String> more = new TreeMap<>(macros);
        more.put(name, value);
        return new MlxCompileOptions(fastMath, languageVersion, more);
    }

    /**
     * Compiles as this version of the Metal Shading Language.
     *
     * @throws IllegalArgumentException if there can be no such version
     */
    public MlxCompileOptions languageVersion(int major, int minor) {
        if (major < 1 || major > MAX_VERSION || minor < 0 || minor > MAX_VERSION) {
            throw new IllegalArgumentException("there is no version " + major + "." + minor + " of the language");
        }
        return new MlxCompileOptions(fastMath, major << MAJOR_SHIFT | minor, macros);
    }

    boolean isFastMath() {
        return fastMath;
    }

    /** {@code major << 16 | minor}; 0 for the newest. */
    int languageVersion() {
        return languageVersion;
    }

    /** A line {@code NAME=VALUE} for each macro. */
    String macroLines() {
        StringBuilder lines = new StringBuilder();
        macros.forEach(
                (name, value) -> lines.append(name).append('=').append(value).append('\n'));
        return lines.toString();
    }

    /** For a debugger: the settings. */
    @Override
    public String toString() {
        return "MlxCompileOptions[fastMath=" + fastMath + ", macros=" + macros + "]";
    }
}
