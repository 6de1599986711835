-module(dictionary).
-behaviour(gen_server).
-export([main/3, worker/5, init/1, handle_call/3, handle_cast/2]).

main(Workers, Requests, Writes) ->
    Me = self(),
    {ok, Server} = gen_server:start_link(?MODULE, [], []),
    [spawn_link(?MODULE, worker, [Me, Server, lehmer:seed(N), Requests, Writes]) || N <- lists:seq(0, Workers - 1)],
    Right = lists:sum([receive {right, Count} -> Count end || _ <- lists:seq(1, Workers)]),
    Items = gen_server:call(Server, items),
    gen_server:stop(Server),
    [Right, length(Items), lehmer:checksum([Value || {_, Value} <- Items])].

worker(Boss, Server, State, Requests, Writes) ->
    Boss ! {right, requests(Server, State, Requests, Writes, 0)}.

requests(_, _, 0, _, Right) -> Right;
requests(Server, State, Left, Writes, Right) ->
    First = lehmer:next(State),
    Second = lehmer:next(First),
    Key = First rem 5000,
    Square = Key * Key,
    Request = if Second rem 100 < Writes -> {write, Key, Square}; true -> {read, Key} end,
    case {Request, gen_server:call(Server, Request)} of
        {{write, _, _}, written} -> requests(Server, Second, Left - 1, Writes, Right + 1);
        {{read, _}, none} -> requests(Server, Second, Left - 1, Writes, Right + 1);
        {{read, _}, Square} -> requests(Server, Second, Left - 1, Writes, Right + 1)
    end.

init([]) -> {ok, #{}}.

handle_call({read, Key}, _, Map) -> {reply, maps:get(Key, Map, none), Map};
handle_call({write, Key, Value}, _, Map) -> {reply, written, Map#{Key => Value}};
handle_call(items, _, Map) -> {reply, lists:sort(maps:to_list(Map)), Map}.

handle_cast(_, Map) -> {noreply, Map}.
