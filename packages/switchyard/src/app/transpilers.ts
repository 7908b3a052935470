// Compilers that turn one TypeScript file into JavaScript, taken from the application's own project.
//
//   @swc/core (also what @swc-node/register stands on)     in this process, the fastest
//   esbuild, also the one inside tsx                       has no decorator metadata; runs its program once for each file
//   typescript up to 6 (also what ts-node stands on)       transpileModule(); version 7 has no API for it
//
// Nothing is type-checked. Options that change what the code does (decorators, class fields, JSX) follow tsconfig.json.

import { createRequire } from "node:module";
import { join } from "node:path";

export interface Transpiler {
  /** For the line that says which is in use: "@swc/core 1.16.22". */
  readonly name: string;
  /** JavaScript with an inline source map. Throws the compiler's own error for a syntax error. */
  transpile(source: TypeScriptSource): string;
}

export interface TypeScriptSource {
  readonly code: string;
  readonly file: string;
  readonly format: "module" | "commonjs";
}

/** Those compiler options of tsconfig.json that change what the JavaScript does. */
export interface TranspileOptions {
  readonly experimentalDecorators?: boolean;
  readonly emitDecoratorMetadata?: boolean;
  readonly useDefineForClassFields?: boolean;
  readonly jsx?: string;
  readonly jsxImportSource?: string;
  readonly jsxFactory?: string;
  readonly jsxFragmentFactory?: string;
}

const optionNames = [
  "experimentalDecorators",
  "emitDecoratorMetadata",
  "useDefineForClassFields",
  "jsx",
  "jsxImportSource",
  "jsxFactory",
  "jsxFragmentFactory",
] as const satisfies readonly (keyof TranspileOptions)[];

/** Of all compiler options those that matter here: the others, such as `moduleResolution`, contradict ours. */
export function transpileOptionsOf(compilerOptions: TranspileOptions): TranspileOptions {
  const given = optionNames.filter((name) => compilerOptions[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, compilerOptions[name]]));
}

/** What is looked for, for the error that says that none is there. */
export const transpilerPackages = ["@swc/core", "tsx", "esbuild", "typescript"] as const;

/** The first compiler that the project of `file` has and that can do what `options` ask for. */
export function findTranspiler(file: string, options: TranspileOptions): Transpiler | null {
  const require = createRequire(file);
  const esbuild = options.emitDecoratorMetadata === true ? null : esbuildOf;
  for (const find of [swcOf, esbuild, typescriptOf]) {
    const found = find?.(require, options) ?? null;
    if (found !== null) return found;
  }
  return null;
}

type Find = (require: NodeJS.Require, options: TranspileOptions) => Transpiler | null;

// The interfaces below are the parts of the packages' APIs that are used. Nothing checks them at compile time, because the
// packages are the application's and not ours; a test runs each.

interface Swc {
  readonly version: string;
  transformSync(code: string, options: object): { readonly code: string };
}

const swcOf: Find = (require, options) => {
  const swc = requireIfThere<Swc>(require, "@swc/core", "transformSync");
  if (swc === null) return null;
  return {
    name: `@swc/core ${swc.version}`,
    transpile: ({ code, file, format }) =>
      swc.transformSync(code, {
        filename: file,
        swcrc: false,
        configFile: false,
        sourceMaps: "inline",
        module: { type: format === "module" ? "es6" : "commonjs", ignoreDynamic: true, exportInteropAnnotation: true },
        jsc: {
          target: "es2023",
          keepClassNames: true,
          parser: { syntax: "typescript", tsx: isTsx(file), decorators: true },
          transform: {
            legacyDecorator: options.experimentalDecorators === true,
            decoratorMetadata: options.emitDecoratorMetadata === true,
            ...(options.experimentalDecorators === true ? {} : { decoratorVersion: "2022-03" }),
            useDefineForClassFields: definesFields(options),
            react: swcReactOptions(options),
          },
        },
      }).code,
  };
};

function swcReactOptions(options: TranspileOptions): object {
  if (options.jsx === "react" || options.jsx === undefined) {
    return { runtime: "classic", pragma: options.jsxFactory, pragmaFrag: options.jsxFragmentFactory };
  }
  return { runtime: "automatic", importSource: options.jsxImportSource };
}

interface Esbuild {
  readonly version: string;
  transformSync(code: string, options: object): { readonly code: string };
}

const esbuildOf: Find = (require, options) => {
  const inTsx = requireFrom(require, "tsx");
  const esbuild = requireIfThere<Esbuild>(inTsx ?? require, "esbuild", "transformSync");
  if (esbuild === null) return null;
  return {
    name: `esbuild ${esbuild.version}${inTsx === null ? "" : ", the compiler of tsx"}`,
    transpile: ({ code, file, format }) =>
      esbuild.transformSync(code, {
        sourcefile: file,
        loader: isTsx(file) ? "tsx" : "ts",
        format: format === "module" ? "esm" : "cjs",
        target: "es2023",
        keepNames: true,
        sourcemap: "inline",
        sourcesContent: false,
        logLevel: "silent",
        tsconfigRaw: { compilerOptions: options },
      }).code,
  };
};

interface TypeScript {
  readonly version: string;
  readonly ModuleKind: { readonly ESNext: number; readonly CommonJS: number };
  readonly ScriptTarget: { readonly ES2022: number };
  convertCompilerOptionsFromJson(options: object, folder: string): { readonly options: object };
  transpileModule(code: string, options: object): TypeScriptOutput;
}

interface TypeScriptOutput {
  readonly outputText: string;
  readonly diagnostics?: readonly { readonly messageText: string | { readonly messageText: string } }[];
}

const typescriptOf: Find = (require, options) => {
  const typescript = requireIfThere<TypeScript>(require, "typescript", "transpileModule");
  if (typescript === null) return null;
  const { options: converted } = typescript.convertCompilerOptionsFromJson(options, "/");
  return {
    name: `typescript ${typescript.version}`,
    transpile({ code, file, format }) {
      const { outputText, diagnostics } = typescript.transpileModule(code, {
        fileName: file,
        reportDiagnostics: true,
        compilerOptions: {
          ...converted,
          module: format === "module" ? typescript.ModuleKind.ESNext : typescript.ModuleKind.CommonJS,
          target: typescript.ScriptTarget.ES2022,
          esModuleInterop: true,
          inlineSourceMap: true,
        },
      });
      const text = diagnostics?.[0]?.messageText;
      if (text !== undefined) throw new SyntaxError(typeof text === "string" ? text : text.messageText);
      return outputText;
    },
  };
};

/** A package of the application's project, if it is there and has the function that is needed of it. */
function requireIfThere<T extends object>(require: NodeJS.Require, name: string, needed: keyof T & string): T | null {
  try {
    const found: unknown = require(name);
    if (typeof found !== "object" || found === null || typeof Reflect.get(found, needed) !== "function") return null;
    // The cast: the function that is used is there, and the rest is the package's published API.
    return found as T;
  } catch {
    // Not installed, or not loadable here (a native part for another platform): the next one is tried.
    return null;
  }
}

/** A require that resolves from inside a package of the project, for what only that package depends on. */
function requireFrom(require: NodeJS.Require, name: string): NodeJS.Require | null {
  try {
    return createRequire(require.resolve(join(name, "package.json")));
  } catch {
    return null;
  }
}

/** Class fields are defined, as JavaScript has them, unless tsconfig.json or TypeScript's old decorators say otherwise. */
function definesFields(options: TranspileOptions): boolean {
  return options.useDefineForClassFields ?? options.experimentalDecorators !== true;
}

function isTsx(file: string): boolean {
  return file.endsWith(".tsx");
}
