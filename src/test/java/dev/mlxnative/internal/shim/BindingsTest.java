package dev.mlxnative.internal.shim;

import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.internal.shim.ffi.mlxshim_h;
import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The committed bindings match the header. When a test fails, run {@code native/jextract.sh}. */
class BindingsTest {
    private static final Path HEADER = Path.of("native", "include", "mlxshim.h");
    private static final Pattern FUNCTION = Pattern.compile("MLXSHIM_API ([^;(]+?)(\\w+)\\(([^)]*)\\);");
    private static final Pattern CONSTANT = Pattern.compile("#define (MLXSHIM_\\w+) (\\d+)\n");
    private static final Pattern HANDLE = Pattern.compile("typedef struct \\w+ \\*(\\w+_t);");

    private static String header = "";

    private record Function(String name, String result, List<Parameter> parameters) {}

    private record Parameter(String type, String name) {}

    @BeforeAll
    static void readHeader() throws IOException {
        header = Files.readString(HEADER).replaceAll("(?s)/\\*.*?\\*/", "");
        NativeLibrary.load(null);
    }

    @Test
    void functionsAndTheirParametersAreThoseOfTheHeader() throws Exception {
        List<Function> functions = functions();
        assertThat(functions).hasSizeGreaterThan(30);
        for (Function function : functions) {
            Method method = Arrays.stream(mlxshim_h.class.getMethods())
                    .filter(candidate -> candidate.getName().equals(function.name()))
                    .findFirst()
                    .orElseThrow(() -> new AssertionError("the bindings have no " + function.name()));
            assertThat(Arrays.stream(method.getParameters())
                            .map(java.lang.reflect.Parameter::getName)
                            .toList())
                    .as("parameter names of %s", function.name())
                    .isEqualTo(
                            function.parameters().stream().map(Parameter::name).toList());
            assertThat(descriptor(function.name()))
                    .as("types of %s", function.name())
                    .isEqualTo(expectedDescriptor(function));
        }
    }

    @Test
    void theBindingsHaveNoFunctionThatTheHeaderLacks() throws Exception {
        assertThat(Arrays.stream(mlxshim_h.class.getMethods())
                        .map(Method::getName)
                        .filter(name -> name.endsWith("$descriptor"))
                        .map(name -> name.replace("$descriptor", "")))
                .containsExactlyInAnyOrderElementsOf(
                        functions().stream().map(Function::name).toList());
    }

    @Test
    void constantsAreThoseOfTheHeader() throws Exception {
        Map<String, Integer> declared = new TreeMap<>();
        Matcher matcher = CONSTANT.matcher(header);
        while (matcher.find()) {
            declared.put(matcher.group(1), Integer.parseInt(matcher.group(2)));
        }
        Map<String, Integer> bound = new TreeMap<>();
        for (Method method : mlxshim_h.class.getMethods()) {
            if (method.getName().startsWith("MLXSHIM_")) {
                bound.put(method.getName(), (Integer) method.invoke(null));
            }
        }
        assertThat(declared).hasSizeGreaterThanOrEqualTo(20);
        assertThat(bound).isEqualTo(declared);
    }

    @Test
    void handleTypesAreThoseOfTheHeader() {
        List<String> handles = new ArrayList<>();
        Matcher matcher = HANDLE.matcher(header);
        while (matcher.find()) {
            handles.add(matcher.group(1));
        }
        assertThat(Arrays.stream(mlxshim_h.class.getFields())
                        .map(java.lang.reflect.Field::getName)
                        .filter(name -> name.startsWith("mlxshim_")))
                .hasSizeGreaterThan(3)
                .containsExactlyInAnyOrderElementsOf(handles);
    }

    @Test
    void theLoadedLibraryHasEveryFunctionOfTheHeader() throws Exception {
        SymbolLookup library = SymbolLookup.loaderLookup();
        for (Function function : functions()) {
            assertThat(library.find(function.name())).as(function.name()).isPresent();
        }
    }

    private static List<Function> functions() {
        List<Function> functions = new ArrayList<>();
        Matcher matcher = FUNCTION.matcher(header);
        while (matcher.find()) {
            functions.add(new Function(
                    matcher.group(2),
                    matcher.group(1).strip(),
                    parameters(matcher.group(3).replaceAll("\\s+", " "))));
        }
        // Fails if the pattern has missed a declaration.
        assertThat(functions).hasSize(header.split("\nMLXSHIM_API ", -1).length - 1);
        return functions;
    }

    private static List<Parameter> parameters(String list) {
        if (list.equals("void")) {
            return List.of();
        }
        return Arrays.stream(list.split(", "))
                .map(parameter -> {
                    int name = Math.max(parameter.lastIndexOf(' '), parameter.lastIndexOf('*')) + 1;
                    return new Parameter(parameter.substring(0, name).strip(), parameter.substring(name));
                })
                .toList();
    }

    private static FunctionDescriptor descriptor(String name) throws Exception {
        FunctionDescriptor bound = (FunctionDescriptor)
                mlxshim_h.class.getMethod(name + "$descriptor").invoke(null);
        MemoryLayout[] arguments =
                bound.argumentLayouts().stream().map(BindingsTest::plain).toArray(MemoryLayout[]::new);
        return bound.returnLayout()
                .map(result -> FunctionDescriptor.of(plain(result), arguments))
                .orElseGet(() -> FunctionDescriptor.ofVoid(arguments));
    }

    /** The layout without the type of a pointer's target, which jextract adds. */
    private static MemoryLayout plain(MemoryLayout layout) {
        return layout instanceof java.lang.foreign.AddressLayout ? ValueLayout.ADDRESS : layout;
    }

    private static FunctionDescriptor expectedDescriptor(Function function) {
        MemoryLayout[] arguments = function.parameters().stream()
                .map(parameter -> layout(parameter.type()))
                .toArray(MemoryLayout[]::new);
        return function.result().equals("void")
                ? FunctionDescriptor.ofVoid(arguments)
                : FunctionDescriptor.of(layout(function.result()), arguments);
    }

    private static MemoryLayout layout(String type) {
        return switch (type) {
            case "int32_t" -> ValueLayout.JAVA_INT;
            case "uint64_t" -> ValueLayout.JAVA_LONG;
            default -> {
                assertThat(type).as("a type that may cross the ABI").matches(".*\\*|mlxshim_\\w+_t");
                yield ValueLayout.ADDRESS;
            }
        };
    }
}
