%% Runs programs of the suite in this Erlang: escript savina.escript MODULE TINY FULL …
%% where TINY and FULL are lists of parameters. For each: warms up with TINY, prints the seconds FULL took, and its answer.
-mode(compile).

main(Programs) ->
    Here = filename:dirname(escript:script_name()),
    load(Here, "lehmer"),
    run(Here, Programs).

run(_, []) -> ok;
run(Here, [Module, Tiny, Full | More]) ->
    Program = load(Here, Module),
    apply(Program, main, term(Tiny)),
    {Microseconds, Answer} = timer:tc(Program, main, term(Full)),
    io:format("~w ~w~n", [Microseconds / 1000000, Answer]),
    run(Here, More).

load(Here, Name) ->
    Path = filename:join(Here, Name),
    {ok, Module, Code} = compile:file(Path, [binary]),
    {module, Module} = code:load_binary(Module, Path, Code),
    Module.

term(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text ++ "."),
    {ok, Term} = erl_parse:parse_term(Tokens),
    Term.
