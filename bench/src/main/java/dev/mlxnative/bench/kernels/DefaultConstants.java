package dev.mlxnative.bench.kernels;

import dev.mlxnative.MlxFunctionConstants;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Values for the function constants that a source declares, so that kernels which need some compile: false, or 1.
 * Kernels use the numbers as counts, for which 0 often means an array without elements.
 */
final class DefaultConstants {

    private static final Pattern DECLARATION = Pattern.compile(
            "\\bconstant\\s+(?:const\\s+)?(?:constexpr\\s+)?(\\w+)\\s+(\\w+)\\s*\\[\\[\\s*function_constant\\b");

    private DefaultConstants() {}

    static MlxFunctionConstants of(String source) {
        MlxFunctionConstants constants = MlxFunctionConstants.of();
        Matcher declaration = DECLARATION.matcher(source);
        while (declaration.find()) {
            String name = declaration.group(2);
            constants = switch (declaration.group(1)) {
                case "bool" -> constants.with(name, false);
                case "short", "int16_t", "ushort", "uint16_t" -> constants.with(name, (short) 1);
                case "char", "int8_t", "uchar", "uint8_t" -> constants.with(name, (byte) 1);
                case "long", "int64_t", "ulong", "uint64_t" -> constants.with(name, 1L);
                case "float" -> constants.with(name, 1f);
                default -> constants.with(name, 1);
            };
        }
        return constants;
    }
}
