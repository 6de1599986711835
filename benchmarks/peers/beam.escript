%% Processes of the BEAM, one scheduler a node: escript beam.escript WHERE PROGRAM COUNT prints so many per second.
%%! +S 1
%% WHERE is `local` or `across` two nodes, PROGRAM is a function of beam.erl.

main([Where, Program, Count]) ->
    Path = filename:join(filename:dirname(escript:script_name()), "beam"),
    {ok, beam, Code} = compile:file(Path, [binary]),
    io:format("~w~n", [measure(Where, [beam, Path, Code], list_to_atom(Program), list_to_integer(Count))]).

measure("local", Module, Program, Count) ->
    apply(code, load_binary, Module),
    beam:measure(Program, node(), 12345, Count);
measure("across", Module, Program, Count) ->
    % Both know the port of the one that listens: no epmd is asked, nor started to outlive them.
    Common = ["+S", "1", "-start_epmd", "false", "-erl_epmd_port", free_port(), "-setcookie", "benchmark"],
    {There, Node} = start(there, Common, Module),
    {Here, _} = start(here, Common ++ ["-dist_listen", "false"], Module),
    Figure = peer:call(Here, beam, measure, [Program, Node, {flood, 12345, <<"hello world">>, 3.5}, Count], infinity),
    lists:foreach(fun peer:stop/1, [Here, There]),
    Figure.

start(Name, Flags, Module) ->
    Options = #{name => Name, host => "127.0.0.1", longnames => true, connection => standard_io, args => Flags},
    {ok, Peer, Node} = peer:start_link(Options),
    peer:call(Peer, code, load_binary, Module),
    {Peer, Node}.

free_port() ->
    {ok, Socket} = gen_tcp:listen(0, [{ip, loopback}]),
    {ok, Port} = inet:port(Socket),
    ok = gen_tcp:close(Socket),
    integer_to_list(Port).
